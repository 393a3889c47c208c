"""The file of `check -f`: every option by its long name, every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.cli.check.file import CheckFile, CheckFileError, read_check_file
from wsdiag.cli.check.toml_lines import find_lines

ENVIRON = {"HOST": "a.example", "API_TOKEN": "hunter22", "EMPTY": ""}


def read(tmp_path: Path, text: str) -> CheckFile:
    path = tmp_path / "checks.toml"
    path.write_text(text, encoding="utf-8")
    return read_check_file(path, ENVIRON)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(CheckFileError) as caught:
        read(tmp_path, text)
    return [line.removeprefix(str(tmp_path / "checks.toml")) for line in caught.value.lines()]


def test_defaults_of_the_run(tmp_path: Path) -> None:
    said = (
        '[defaults]\nmask = ["X-Id"]\nmax-time = "1m"\nshow-secrets = true\norigin = "http://a"\n'
    )
    found = read(tmp_path, said + '[[endpoint]]\nurl = "wss://a.example"\n')
    assert (found.run.mask, found.run.max_time, found.run.show_secrets) == (["X-Id"], 60.0, True)
    assert found.endpoints[0].dial.origin == "http://a"
    (told,) = problems(tmp_path, said.replace('"1m"', '"soon"') + '[[endpoint]]\nurl = "wss://a"\n')
    assert told.startswith(":3: max-time: ")
    (told,) = problems(tmp_path, '[[endpoint]]\nurl = "wss://a"\nmask = ["X-Id"]\n')
    assert told == ":3: 'mask' belongs in [defaults] or on the command line: it is about the run"


def test_defaults_and_endpoints(tmp_path: Path) -> None:
    first, second = read(
        tmp_path,
        """
[defaults]
max-p95 = "250ms"
header = ["X-A: ${API_TOKEN}", "X-B: $${plain}"]
compression = false
retry = 3

[[endpoint]]
name = "one"
url = "wss://${HOST}/one"
max-p95 = 1.5
insecure = true
ipv4 = true
expect-json = ["$.a=1", "$.b"]

[[endpoint]]
url = "wss://b.example"
insecure = false
require-idle = 60
""",
    ).endpoints
    assert (first.name, first.url, first.label) == ("one", "wss://a.example/one", "one")
    assert first.check.max_p95_s == 1.5
    assert first.dial.headers == (("X-A", "hunter22"), ("X-B", "${plain}"))
    assert first.dial.insecure
    assert first.dial.family == 4
    assert first.dial.compression is False
    assert [str(each) for each in first.check.expect_json] == ["$.a=1", "$.b"]
    assert (second.label, second.check.max_p95_s) == ("wss://b.example", 0.25)
    assert not second.dial.insecure
    assert second.check.require_idle_s == 60
    assert first.retry == second.retry == 3


def test_secrets_of_the_environment_are_known(tmp_path: Path) -> None:
    text = '[[endpoint]]\nurl = "wss://${HOST}/?k=${API_TOKEN}"\n'
    assert read(tmp_path, text).secrets == ["hunter22"]


def test_defaults_that_make_no_sense_are_left_out(tmp_path: Path) -> None:
    private, plain = read(
        tmp_path,
        """
[defaults]
max-p95 = 1
cert-days = 30
[[endpoint]]
url = "wss://a.example/private"
expect-status = 403
[[endpoint]]
url = "ws://a.example/"
""",
    ).endpoints
    assert private.check.max_p95_s is None
    assert private.check.cert_days == 30
    assert plain.check.cert_days is None
    assert plain.check.max_p95_s == 1


ONE = '[[endpoint]]\nurl = "ws://a.example"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ": has no [[endpoint]]"),
        ("[endpoint]\nurl = 'x'", ":1: write [[endpoint]], with two brackets"),
        ("x = 1\n" + ONE, ":1: unknown 'x'"),
        ("[default]\n" + ONE, ":1: unknown 'default'; did you mean 'defaults'?"),
        ("[defaults]\nurl = 'x'\n" + ONE, ":2: url must be in an [[endpoint]]"),
        ("[[endpoint]]\nname = 'a'\n", ":1: this [[endpoint]] has no url"),
        (ONE + "max_p95 = 1\n", ":3: unknown 'max_p95'; did you mean 'max-p95'?"),
        (ONE + "quiet = true\n", ":3: 'quiet' belongs on the command line"),
        (ONE + "insecure = 'yes'\n", ":3: insecure must be true or false"),
        (ONE + "count = true\n", ":3: count must be a string or a number"),
        (ONE + "count = 'x'\n", ":3: count: "),
        (ONE + "count = 0\n", ":3: count: "),
        (ONE + "max-p95 = 'soon'\n", ":3: max-p95: 'soon' is not a duration"),
        (ONE + "expect = '('\n", ":3: expect: '(' is not a regular expression"),
        (ONE + "expect-json = ['$..a']\n", ":3: expect-json: '$..a': descendants"),
        (ONE + "expect-status = 4\n", ":3: expect-status: '4' is not an HTTP status"),
        (ONE + "expect-status = 403\nmax-p95 = 1\n", ":4: max-p95: --max-p95 needs a connection"),
        (ONE + "only = 'rsv1'\n", ":3: only: rsv1 needs --adversarial"),
        (ONE + "header = [1979-05-27]\n", ":3: header must be a list of strings"),
        (ONE + "origin = '${NOPE}'\n", ":3: environment variable NOPE is not set"),
        (ONE + "origin = '${a b}'\n", ":3: ${a b} is not the name of a variable"),
        ("[[endpoint]]\nurl = 'ws://a b'\n", ":2: url: a URL cannot have a space"),
        ("[[endpoint]]\nurl = 'ftp://a'\n", ":2: url: ftp:// is not a WebSocket"),
        (ONE + "header = [\n", ":"),
        (ONE + ONE, ":4: a second endpoint has this url: give it a name"),
        (ONE + "only = 'ping,idle'\n", ":3: only: idle needs --require-idle"),
        (ONE + "only = ''\n", ":3: only: names no check"),
        (ONE + "name = 'a'\n" + ONE + "name = 'a'\n", ":6: a second endpoint is called 'a'"),
        ("[defaults]\nmax-p95 = 'x'\n" + ONE, ":2: max-p95: 'x' is not a duration"),
    ],
)
def test_mistakes_have_lines(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text)[0].startswith(said)


def test_all_mistakes_are_told_at_once_in_order(tmp_path: Path) -> None:
    text = ONE + "count = 'x'\nmax-p95 = 'soon'\nexpect = '('\n" + ONE + "nope = 1\n[other]\n"
    lines = [said.split(":")[1] for said in problems(tmp_path, text)]
    assert lines == ["3", "4", "5", "8", "9"]


def test_one_kind_of_mistake_hides_no_other(tmp_path: Path) -> None:
    text = """[[endpoint]]
max-p95 = "soon"
nope = 1
max-loss = 101
[[endpoint]]
url = "ws:/one.example"
header = ["a"]
[[endpoint]]
url = 3
expect-json = "x"
[[endpont]]
"""
    lines = [line.split(": ")[0] for line in problems(tmp_path, text)]
    assert lines == [":1", ":2", ":3", ":4", ":6", ":7", ":9", ":10", ":11"]


def test_a_document_that_breaks_off_has_the_line_of_its_end(tmp_path: Path) -> None:
    assert problems(tmp_path, "a = 1\nb = [\n") == [":2: Invalid value (at end of document)"]


def test_a_mistake_in_the_defaults_is_told_once(tmp_path: Path) -> None:
    text = "[defaults]\nmax-p95 = 'x'\n" + ONE + ONE.replace("a.", "b.")
    assert len(problems(tmp_path, text)) == 1


def test_an_empty_variable_is_set(tmp_path: Path) -> None:
    text = ONE + "origin = 'x${EMPTY}'\n"
    assert read(tmp_path, text).endpoints[0].dial.origin == "x"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CheckFileError, match="none"):
        read_check_file(tmp_path / "none", {})


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin"
    path.write_bytes(b"# caf\xe9\n")
    with pytest.raises(CheckFileError) as caught:
        read_check_file(path, {})
    assert caught.value.lines() == [f"{path}: is not UTF-8"]


def test_lines_behind_everything_that_can_hide_them() -> None:
    lines = find_lines(
        """# [defaults]
[defaults] # comment ]
a = '''
[[endpoint]]
b = 1 '''
"c d" = [ # [[endpoint]]
  "x", [1, "]"],
]
e.f = 1
[[ endpoint ]]
url = \"\"\"a\\\"\"\"
b = 2\"\"\"
g = 'x' # "
h = {i = 1}
[[endpoint]]
url = "y"
""".replace("\n", "\r\n")
    )
    assert lines.of(("defaults",)) == 2
    assert lines.of(("defaults", "a")) == 3
    assert lines.of(("defaults", "b")) == 2
    assert lines.of(("defaults", "c d")) == 6
    assert lines.of(("defaults", "e")) == lines.of(("defaults", "e", "f")) == 9
    assert lines.of(("endpoint", 0)) == 10
    assert lines.of(("endpoint", 0, "url")) == 11
    assert lines.of(("endpoint", 0, "g")) == 13
    assert lines.of(("endpoint", 0, "h")) == 14
    assert lines.of(("endpoint", 1, "url")) == 16
    assert lines.of(("elsewhere",)) is None


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)


@given(st.lists(words, min_size=1, max_size=6))
def test_lines_do_not_depend_on_the_values(values: list[str]) -> None:
    import json

    rows = [f"k{i} = {json.dumps(value)}" for i, value in enumerate(values)]
    lines = find_lines("[[endpoint]]\n" + "\n".join(rows))
    assert [lines.of(("endpoint", 0, f"k{i}")) for i in range(len(values))] == [
        i + 2 for i in range(len(values))
    ]
