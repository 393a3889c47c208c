"""Header values by their grammar: what is taken apart, and what is refused with a place."""

import pytest

from wsdiag.protocol.headers import (
    HeaderSyntaxError,
    Parameters,
    format_extension,
    get_all,
    is_token,
    parse_extensions,
    parse_tokens,
    quote_value,
)

EXTENSIONS: list[tuple[str, list[tuple[str, Parameters]]]] = [
    ("", []),
    ("foo", [("foo", [])]),
    ("foo, bar", [("foo", []), ("bar", [])]),
    (" foo ; a ; b = 1 ,, bar ", [("foo", [("a", None), ("b", "1")]), ("bar", [])]),
    ('foo; b="10"', [("foo", [("b", "10")])]),
    ('foo; b="1\\0"', [("foo", [("b", "10")])]),
    ('foo;a="x",bar', [("foo", [("a", "x")]), ("bar", [])]),
    (", ,foo", [("foo", [])]),
    ("foo; a; a", [("foo", [("a", None), ("a", None)])]),
]


@pytest.mark.parametrize(("value", "expected"), EXTENSIONS)
def test_extensions(value: str, expected: list[tuple[str, Parameters]]) -> None:
    assert parse_extensions(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        ";",
        "foo;",
        "foo; ;a",
        "foo; a=",
        'foo; a="',
        'foo; a="b',
        'foo; a=""',
        'foo; a="b c"',
        'foo; a="\x00"',
        "foo bar",
        "foo=1",
        "foo; a=b c",
        "foo/1",
        "fo\x1bo",
        "é",
    ],
)
def test_malformed_extensions_are_refused(value: str) -> None:
    with pytest.raises(HeaderSyntaxError):
        parse_extensions(value)


def test_the_error_says_where() -> None:
    with pytest.raises(HeaderSyntaxError, match="character 6"):
        parse_extensions("foo; =1")


@pytest.mark.parametrize(("value", "expected"), EXTENSIONS)
def test_what_is_written_reads_back(value: str, expected: list[tuple[str, Parameters]]) -> None:
    written = ", ".join(format_extension(name, parameters) for name, parameters in expected)
    assert parse_extensions(written) == expected


def test_tokens() -> None:
    assert parse_tokens(" a, b ,,c") == ["a", "b", "c"]
    with pytest.raises(HeaderSyntaxError):
        parse_tokens("a b")
    assert is_token("chat.v1+json")
    assert not is_token("")


def test_quoting() -> None:
    assert quote_value("10") == "10"
    assert quote_value('a "b" \\') == '"a \\"b\\" \\\\"'


def test_headers_are_found_without_regard_to_case() -> None:
    headers = [("X-A", "1"), ("x-a", "2"), ("X-B", "3")]
    assert get_all(headers, "X-a") == ["1", "2"]
