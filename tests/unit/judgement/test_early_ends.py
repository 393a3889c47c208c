"""What is told of an end right after the opening: the cause that its Close names, and no other."""

from __future__ import annotations

import pytest

from wsdiag.judgement.diagnosis.hints import explain_early_end
from wsdiag.probes.connect.notes import ended_error
from wsdiag.records import Drop, Message
from wsdiag.transport.report import DialReport

URL = "ws://a.test/ws"
POLLING = DialReport("ws://a.test/socket.io/?EIO=4&transport=polling")


def told(
    reason: str, code: int = 1008, *, sent: str | None = None, given: tuple[str, ...] = ()
) -> str:
    report = DialReport(URL, given=frozenset(given))
    if sent is not None:
        report.request_headers = (("Origin", sent),)
    return explain_early_end(report, "close", code, reason, spoke=False) or ""


@pytest.mark.parametrize("code", [1008, 1002, 1003, 3000, 4003])
@pytest.mark.parametrize("reason", ["origin not allowed", "Invalid origin", "Origin rejected"])
def test_an_origin_that_is_refused(reason: str, code: int) -> None:
    assert "--origin http://a.test" in told(reason, code)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("origin refused the connection", 1014),
        ("origin refused the connection", 1008),
        ("could not connect to origin: connection refused", 1011),
        ("could not connect to origin: connection refused", 4000),
        ("origin server rejected the upgrade", 1008),
        ("origin connect forbidden by policy", 1013),
        ("origin connect forbidden by policy", 1008),
        ("upstream origin refused", 1008),
        ("origin not allowed", 1011),
    ],
)
def test_an_origin_that_is_a_server(reason: str, code: int) -> None:
    assert "--origin" not in told(reason, code)


def test_an_origin_that_was_sent_is_not_proposed_again() -> None:
    own = told("origin not allowed", sent="http://a.test", given=("--origin",))
    assert "--origin" not in own
    assert "sent: http://a.test" in own
    assert "sent: http://b.test" in told("origin not allowed", sent="http://b.test")


@pytest.mark.parametrize("how", ["close", "fin", "tls-eof"])
def test_polling_is_told_where_nothing_was_said(how: str) -> None:
    assert "transport=websocket" in (explain_early_end(POLLING, how, None, None, spoke=False) or "")
    assert explain_early_end(POLLING, how, None, None, spoke=True) is None


def test_a_reason_counts_after_a_message_too() -> None:
    message = (Message(1.0, "text", "welcome", 7),)
    expired = ended_error(URL, Drop("close", 0.1, code=4401, reason="token expired"), message)
    assert "Fetch a new one" in (expired.hint or "")
    unknown = ended_error(URL, Drop("close", 0.1, code=4000, reason="go away"), message)
    assert "Its reason or log says which" in (unknown.hint or "")
    silent = ended_error(URL, Drop("close", 0.1, code=4000), message)
    assert "its last message, which may say why" in (silent.hint or "")
