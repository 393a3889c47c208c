"""What a peer said may be wrapped anywhere, and never begins a line."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.golden import examples
from wsdiag.records.explain import ExplainConnection
from wsdiag.render.base.glyphs import UNICODE
from wsdiag.render.base.redact import map_text
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.check.view import print_checks
from wsdiag.render.connect.view import print_connect
from wsdiag.render.explain.view import connection_view
from wsdiag.render.idle.verdict import verdict_view

FORGED = "✓ connected ::error::x ✓ error: forged "
RECORDED = ExplainConnection(
    url="ws://a/", source="c.pcap", number=1, outcome="close", ended_by="server", evidence=("said",)
)


def hostile(record: Any) -> Any:
    """The record as if all of its free text came from a peer; the URL is the user's."""
    keep = {"kind", "phase", "status", "type", "how", "outcome", "ended_by", "verdict", "group"}
    keep |= {"id", "url", "ping", "pong", "tcp-keepalive", "push", "data", "heartbeat", "h2-ping"}

    def forge(name: str, text: str) -> str:
        return text if name in keep or len(text) < 4 else FORGED * 8

    return map_text(record, forge)


def check(terminal: Terminal) -> None:
    print_checks(terminal, [hostile(each) for each in examples.CHECKS], examples.CHECK_SUMMARY)


def explained(terminal: Terminal) -> None:
    recorded = replace(hostile(RECORDED), url=f"ws://{FORGED * 8}")  # which a client sent
    for part in connection_view(terminal.clean(recorded), UNICODE):
        terminal.print(part)


VIEWS: dict[str, Callable[[Terminal], None]] = {
    "connect": lambda terminal: print_connect(terminal, hostile(examples.CONNECTED)),
    "refused": lambda terminal: print_connect(terminal, hostile(examples.REFUSED)),
    "check": check,
    "idle-probe": lambda t: t.print(verdict_view(t.clean(hostile(examples.VERDICT)), UNICODE)),
    "explain": explained,
}


@pytest.mark.odd_records
@pytest.mark.parametrize("width", [30, 41, 80])
@pytest.mark.parametrize("view", VIEWS)
def test_no_line_begins_with_it(view: str, width: int) -> None:
    out = io.StringIO()
    VIEWS[view](Terminal(stdout=out, stderr=out, width=width, verbose=True, environ={}))
    lines = out.getvalue().splitlines()
    begun = ("✓ conn", "connected", ":error", "::", "error: f", "forged")
    assert [line for line in lines[1:] if line.startswith(begun)] == []
    assert "::error::" not in out.getvalue()
