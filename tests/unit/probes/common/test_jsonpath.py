"""The JSONPath subset: what it selects, what it compares, what it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.common.jsonpath import JsonExpectation

DOCUMENT = {"a": {"b": [10, {"c d": "x=y", "e": None}]}, "n": 1, "t": True, "s": "1", "ü": 2}


@pytest.mark.parametrize(
    "text",
    [
        "$",
        "$.a",
        "$.a.b[0]=10",
        "$.a.b[-1]['c d']=x=y",
        '$["a"].b[1]["e"]=null',
        "$.n=1",
        "$.n=1.0",
        "$.t=true",
        "$.s=1",
        '$.s="1"',
        "$.ü=2",
        '$.a.b[1]={"c d": "x=y", "e": null}',
    ],
)
def test_holds(text: str) -> None:
    assert JsonExpectation.parse(text).judge(DOCUMENT) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$.x", "has no 'x'"),
        ("$.a.b[2]", "has no 2"),
        ("$.a[0]", "has no 0"),
        ("$.n=2", "$.n is 1"),
        ("$.t=1", "$.t is true"),
        ('$.n="1"', "$.n is 1"),
        ("$.s=2", '$.s is "1"'),
        ("$[0]", "has no 0"),
        ("$.n.m", "has no 'm'"),
        ("$.a.b['0']", "has no '0'"),
    ],
)
def test_says_what_is_there_instead(text: str, said: str) -> None:
    problem = JsonExpectation.parse(text).judge(DOCUMENT)
    assert problem is not None
    assert said in problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "begins with $"),
        ("$..a", "descendants"),
        ("$.*", "wildcards"),
        ("$[*]", "wildcards"),
        ("$[?@.a]", "filters"),
        ("$[:2]", "slices"),
        ("$[0:2]", "cannot read"),
        ("$a", "cannot read"),
        ("$.a[", "cannot read"),
        ("$['a]", "cannot read"),
        ("$[01]", "cannot read"),
        ("$[-0]", "cannot read"),
        ("$.", "cannot read"),
        ("", "begins with $"),
    ],
)
def test_refuses_what_it_does_not_understand(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("$", r"\$")):
        JsonExpectation.parse(text)


names = st.text(st.characters(codec="utf-8", exclude_characters="'\\"), min_size=1, max_size=8)


@given(st.lists(names, min_size=1, max_size=4), st.integers() | st.booleans() | st.none())
def test_any_path_of_names_is_followed(path: list[str], value: object) -> None:
    document: object = value
    for name in reversed(path):
        document = {name: document}
    steps = "".join(f"['{name}']" for name in path)
    assert JsonExpectation.parse(f"${steps}={json.dumps(value)}").judge(document) is None


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_with_value_error(text: str) -> None:
    try:
        read = JsonExpectation.parse("$" + text)
    except ValueError:
        return
    assert str(read) == "$" + text
