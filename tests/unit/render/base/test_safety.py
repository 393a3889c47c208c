"""Nothing of a peer's reaches the terminal raw, and no credential reaches anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import examples
from tests.golden.terminals import err, out, terminal
from wsdiag.judgement.diagnosis.hints import Hint, hints
from wsdiag.records import (
    CheckResult,
    ConnectResult,
    Error,
    IdleTrial,
    IdleVerdict,
    PingSummary,
    ServeEvent,
)
from wsdiag.render.base.error import print_error
from wsdiag.render.base.escape import escape
from wsdiag.render.base.picture import save_picture
from wsdiag.render.base.redact import Redactor, map_text
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.check.github import annotation_lines, step_summary
from wsdiag.render.check.junit import junit_xml
from wsdiag.render.check.view import print_checks
from wsdiag.render.connect.view import print_connect
from wsdiag.render.idle.csv import IdleCsv
from wsdiag.render.idle.view import IdleLines
from wsdiag.render.ping.csv import PingCsv
from wsdiag.render.ping.lines import PingLines
from wsdiag.render.ping.output import PingViewOptions
from wsdiag.render.ping.screen import PingScreen
from wsdiag.render.serve import print_event

NOW = datetime(2026, 1, 2, tzinfo=UTC)
HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e\u2066\u200b\x7f\r[bold]x[/bold]\ud800"
FORBIDDEN = "\x1b\x07\x9b\u202e\u2066\u200b\x7f\r\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich 日本 ✓", "Zürich 日本 ✓"),
        ("a\tb\r\nc\0", "a\\tb\\r\\nc\\0"),
        ("\x1b[2J", "\\e[2J"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\ud800\U000e0041", "\\ud800\\U000e0041"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_escape_keeps_what_it_is_told_to() -> None:
    assert escape("a\nb\r", keep="\n") == "a\nb\\r"


@given(st.text(alphabet=st.characters(), max_size=50))
def test_what_is_escaped_is_printable(text: str) -> None:
    assert escape(text).isprintable()


def _poisoned(result: Any) -> Any:
    """The result with every string that a peer might have written made hostile."""
    closed = {
        "type",
        "how",
        "verdict",
        "outcome",
        "status",
        "kind",
        "phase",
        "clock",
        "cause",
        "trial",
        "name",
        "ping",
        "pong",
        "tcp-keepalive",
        "push",
        "tcp_ended_by",
    }
    return map_text(result, lambda name, text: text if name in closed else text + HOSTILE)


def _show(t: Terminal, result: Any) -> None:
    if isinstance(result, ConnectResult):
        print_connect(t, result)
    elif isinstance(result, Error):
        print_error(t, result)
    elif isinstance(result, ServeEvent):
        print_event(t, result)
    elif isinstance(result, IdleTrial | IdleVerdict):
        view = IdleLines(t, [result.url])
        view.handle(result)
        view.finish()
        IdleCsv(t).handle(result)
    elif isinstance(result, CheckResult):
        print_checks(t, [result], examples.CHECK_SUMMARY)
    elif result.type.startswith("ping."):
        PingLines(t).handle(result)
        rows = PingCsv(t)
        rows.handle(result)


@pytest.mark.parametrize("ascii_only", [False, True])
def test_no_view_prints_what_a_peer_wrote_raw(ascii_only: bool) -> None:
    t = terminal(ascii_only=ascii_only, verbose=True)
    for result in examples.EVERY:
        _show(t, _poisoned(result))
    shown = out(t) + err(t)
    assert not set(FORBIDDEN) & set(shown)
    assert "[bold]x[/bold]" in shown  # markup of a peer's is text
    assert len(shown) > 10_000


def test_the_live_view_shows_nothing_raw() -> None:
    t = terminal(tty=True)
    url = examples.EDGE + HOSTILE
    view = PingScreen(t, [url], PingViewOptions(), lambda: examples.at(120))
    for event in examples.ping_run():
        view.handle(_poisoned(event))
    lines = view.draw(80, 24, True)
    assert lines is not None
    assert not set(FORBIDDEN) & set("".join(part.text for line in lines for part in line))


def test_json_lines_are_ascii_whatever_a_peer_sends() -> None:
    t = terminal()
    for result in examples.EVERY:
        t.json(_poisoned(result))
    assert out(t).isascii()
    assert "\x1b" not in out(t)


def test_junit_and_github_neutralize_a_peer() -> None:
    t = terminal()
    evil = CheckResult("id", "ws://x", "g", "fail", detail="a\n::error::b\r]]><script>|x")
    clean = [t.clean(evil)]
    assert "<script>" not in junit_xml(clean, began=NOW, hostname="ci")
    lines = annotation_lines([evil], examples.CHECK_SUMMARY)
    assert all("\n" not in line and "\r" not in line for line in lines)
    assert "<script>" not in step_summary(clean, examples.CHECK_SUMMARY)
    null = CheckResult("i", "u", "g", "fail", detail="\0")
    assert "\x00" not in junit_xml([null], began=NOW, hostname="ci")


SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://user:pa%40ss@host/p", "wss://***@host/p"),
        ("http://u:p@ss@proxy:3128", "http://***@proxy:3128"),
        ("wss://user@host/p?a=b@c:d", "wss://***@host/p?a=b@c:d"),
        ("got Authorization: Basic dXNlcg==", "got Authorization: Basic ***"),
        ("cookie: a=1; b=2", "cookie: a=***; b=***"),
        ("try -H 'Authorization: …', -b 'A=B'.", "try -H 'Authorization: …', -b 'A=B'."),
        ("Authorization:  … Cookie: sid=1", "Authorization:  … Cookie: sid=***"),
        (f"echoed {SECRET}!", "echoed ***!"),
    ],
)
def test_text_is_masked(text: str, shown: str) -> None:
    assert Redactor([SECRET]).text(text) == shown
    assert Redactor([SECRET], show=True).text(text) == text


def test_a_masked_userinfo_leaves_the_url_whole() -> None:
    from wsdiag.cli.command_setup import secrets_of_urls

    for userinfo in ("user:pw", "u:p", "user:password"):
        url = f"ws://{userinfo}@a.test/"
        assert Redactor(secrets_of_urls([url])).text(url) == "ws://***@a.test/"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Bearer abc.def", "Bearer ***"),
        ("authorization", "whatever it is", "***"),
        ("Proxy-Authorization", "Basic dTpw", "Basic ***"),
        ("Cookie", "sid=1; theme=dark", "sid=***; theme=***"),
        ("Set-Cookie", "sid=1; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly"),
        ("Set-Cookie", "naked", "***"),
        ("X-Other", "sid=1", "sid=1"),
    ],
)
def test_credential_headers_are_masked(name: str, value: str, shown: str) -> None:
    assert Redactor().header(name, value) == shown


@pytest.mark.parametrize("hint", [hint for hint in hints() if hint.change])
def test_advice_is_whole_in_any_field(hint: Hint) -> None:
    result = CheckResult("id", "ws://x", "g", "fail", why=hint.change)
    assert Redactor().clean(result) == result


def test_secrets_are_masked_in_each_form_and_not_when_too_short() -> None:
    redactor = Redactor(["p@ss/word", "ab"])
    assert redactor.text("p%40ss%2Fword p@ss/word ab") == "*** *** ab"


@pytest.mark.parametrize("suffix", [".svg", ".html", ".txt"])
def test_no_secret_in_any_output(tmp_path: Path, suffix: str) -> None:
    t = terminal(verbose=True, secrets=(SECRET,))
    t.save_paths = [tmp_path / f"view{suffix}"]
    print_connect(t, examples.CONNECTED)
    t.json(examples.CONNECTED)
    saved = t.save_paths[0].read_text(encoding="utf-8")
    for text in (out(t), saved):
        assert SECRET not in text
        assert "AWSALB=k3" not in text
    assert "Bearer ***" in out(t)


@pytest.mark.parametrize("suffix", [".svg", ".html", ".txt"])
def test_saved_pictures_fetch_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"view{suffix}"
    save_picture("hello", path)
    text = path.read_text(encoding="utf-8")
    assert "hello" in text
    assert "url(" not in text.replace("url(#", "")
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_masking_leaves_figures_alone() -> None:
    assert isinstance(examples.PING_SUMMARY, PingSummary)
    assert Redactor([SECRET]).clean(examples.PING_SUMMARY) == examples.PING_SUMMARY


@pytest.mark.parametrize(
    "command",
    ["::error::owned", "::ERROR file=a:b,line=1::x", "::add-mask::x", "##vso[task]", "##[x]"],
)
def test_nothing_of_a_peers_is_a_command_to_a_pipeline(command: str) -> None:
    shown = terminal().text(command)
    assert not shown.startswith(("::", "##"))
    for address in ("2001:db8::1 and 2001:db8::2", "::1", "[::ffff:10.0.0.1]:80", "a ## b"):
        assert terminal().text(address) == address


def test_every_line_that_a_body_is_wrapped_to_is_marked() -> None:
    t = terminal(width=40, verbose=True)
    body = "x" * 38 + "FORGED " * 40
    http = replace(examples.REFUSED.http, body=body, text=None)
    print_connect(t, replace(examples.REFUSED, http=http))
    lines = [line for line in out(t).splitlines() if "FORGED" in line]
    assert lines
    assert all(line.startswith("< ") for line in lines)


def test_two_names_are_not_a_header() -> None:
    tls = replace(examples.CONNECTED.tls, sans=("body", "a\n::error::b"))
    clean = terminal().clean(replace(examples.CONNECTED, tls=tls))
    assert clean.tls.sans[1] == "a\\n\\x3a:error::b"
    masked = Redactor().clean(replace(examples.CONNECTED, tls=replace(tls, sans=("cookie", "b"))))
    assert masked.tls.sans == ("cookie", "b")
