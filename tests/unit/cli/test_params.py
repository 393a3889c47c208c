"""What the command line's parsers accept, and the words with which they refuse."""

import io

import pytest
import typer

from wsdiag.cli.params import (
    parse_header,
    parse_resolve,
    read_cookies,
    read_environment,
    read_headers,
)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("X-Token: abc", ("X-Token", "abc")),
        ("Accept:", ("Accept", "")),
        ("A: b: c", ("A", "b: c")),
        ("Tab:\tvalue\t", ("Tab", "value")),
    ],
)
def test_header_is_split_at_its_first_colon(text: str, pair: tuple[str, str]) -> None:
    assert parse_header(text) == pair


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("no colon", "has no colon"),
        ("bad name: x", "is not a header name"),
        (": x", "is not a header name"),
        ("X: a\r\nY: b", "control character"),
        ("X: \x00", "control character"),
    ],
)
def test_header_that_could_smuggle_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_header(text)


@pytest.mark.parametrize("text", ["Authorization Bearer hunter2", "Cookie sid=hunter2:x"])
def test_a_forgotten_colon_does_not_quote_the_credential(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text.split()[0]} …'") as refused:
        parse_header(text)
    assert "hunter2" not in str(refused.value)


def test_headers_are_read_from_a_file(tmp_path) -> None:
    file = tmp_path / "headers"
    file.write_text("A: 1\n\nB: 2\n")
    assert read_headers([f"@{file}", "C: 3"]) == (("A", "1"), ("B", "2"), ("C", "3"))


def test_headers_are_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("A: 1\n\nB: 2\n"))
    assert read_headers(["@-"]) == (("A", "1"), ("B", "2"))


def test_an_empty_header_is_written_as_for_curl() -> None:
    assert parse_header("X-Empty;") == ("X-Empty", "")


def test_a_file_of_cookies_is_not_taken_for_a_cookie() -> None:
    assert read_cookies(["a=1", "b=2; c=3"]) == ("a=1", "b=2; c=3")
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        read_cookies(["cookies.txt"])


def test_a_header_file_that_cannot_be_read_is_a_usage_error(tmp_path) -> None:
    with pytest.raises(typer.BadParameter, match=r"cannot read headers .*/none': No such file"):
        read_headers([f"@{tmp_path}/none"])
    (tmp_path / "utf16").write_bytes(b"\xff\xfe")
    with pytest.raises(typer.BadParameter, match=r"cannot read headers .*/utf16': it is not UTF-8"):
        read_headers([f"@{tmp_path}/utf16"])


@pytest.mark.parametrize(
    ("text", "triples"),
    [
        ("example.org:443:127.0.0.1", [("example.org", 443, "127.0.0.1")]),
        ("Example.ORG:80:[::1]", [("example.org", 80, "::1")]),
        ("a:80:fe80::1%lo", [("a", 80, "fe80::1%lo")]),
        ("a:80:[::1],127.0.0.1", [("a", 80, "::1"), ("a", 80, "127.0.0.1")]),
    ],
)
def test_resolve_reads_as_curl_does(text: str, triples: list[tuple[str, int, str]]) -> None:
    assert parse_resolve(text) == tuple(triples)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a:80",
        "a:b:c",
        "a:0:1.2.3.4",
        "a:70000:1.2.3.4",
        ":80:x",
        "a:80:b",
        "a:80:1.2.3.4,",
    ],
)
def test_resolve_refuses_what_has_not_three_parts(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT:ADDRESS"):
        parse_resolve(text)


def test_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_FOR_TEST", "s3cret")
    assert read_environment("TOKEN_FOR_TEST", "--bearer-env") == "s3cret"
    assert read_environment(None, "--bearer-env") is None
    with pytest.raises(typer.BadParameter, match="NO_SUCH_VARIABLE is not set"):
        read_environment("NO_SUCH_VARIABLE", "--bearer-env")


@pytest.mark.parametrize("host", ["a$(id)", "a b", "a;b", "%24(id)", "a%00", "x'y", "a|b", "`id`"])
def test_resolve_refuses_what_no_host_is_called(host: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a host"):
        parse_resolve(f"{host}:80:127.0.0.1")


def test_resolve_takes_any_host_and_international_names() -> None:
    assert parse_resolve("*:80:127.0.0.1") == (("*", 80, "127.0.0.1"),)
    assert parse_resolve("bücher.example:80:127.0.0.1")[0][0] == "xn--bcher-kva.example"
