"""The words for an end: the same in every table and sentence, and no more than was seen."""

from __future__ import annotations

import pytest

from wsdiag.probes.connect.notes import ended_error
from wsdiag.records import Drop
from wsdiag.records.drops import (
    OVER_LIMIT,
    PEER_BROKE,
    describe_drop,
    drop_predicate,
    end_sentence,
    short_drop,
)

PLAIN = Drop("tls-eof", 2.0, detail="TLS: WRONG_VERSION_NUMBER")
ALERT = Drop("tls-eof", 2.0, detail="TLS: TLSV1_ALERT_INTERNAL_ERROR")
CUT = Drop("tls-eof", 2.0, detail="TCP ended without close_notify")


@pytest.mark.parametrize("drop", [PLAIN, ALERT])
def test_a_tls_error_is_no_end_of_tcp(drop: Drop) -> None:
    assert short_drop(drop) == "TLS error"
    for said in (describe_drop(drop), drop_predicate(drop), end_sentence(drop)):
        assert "FIN" not in said
        assert "TCP" not in said
        assert (drop.detail or "").removeprefix("TLS: ") in said


def test_an_end_without_close_notify_says_so_once() -> None:
    assert describe_drop(CUT) == "FIN without TLS close_notify, no Close frame"
    assert drop_predicate(CUT) == "ended TCP without TLS close_notify or Close frame"
    assert end_sentence(CUT).count("close_notify") == 1


def test_plain_text_in_the_middle_of_tls_is_no_crash() -> None:
    assert "plain text" in (ended_error("wss://a.test", PLAIN).hint or "")
    for drop in (ALERT, CUT):
        assert "plain text" not in (ended_error("wss://a.test", drop).hint or "")


def test_what_a_close_means_does_not_make_it_ours() -> None:
    drop = Drop("close", 3.0, code=4001, reason="App key", detail="no such app")
    assert end_sentence(drop) == (
        "The server ended the connection after 3 s: Close frame 4001 (App key); no such app."
    )


@pytest.mark.parametrize("why", [f"{PEER_BROKE} RFC 6455, 5.2", OVER_LIMIT])
def test_a_close_over_a_broken_rule_or_a_message_over_our_limit_is_ours(why: str) -> None:
    drop = Drop("close", 3.0, code=1009, reason="why", detail=f"{why}; we closed")
    assert end_sentence(drop) == f"wsdiag ended the connection after 3 s: {why}; we closed (why)."


def test_what_had_announced_an_end_is_told_with_it() -> None:
    for how in ("close", "fin", "rst-stream", "goaway", "rst"):
        drop = Drop(how, 30.0, goaway_before_s=12.0)  # type: ignore[arg-type]
        for said in (describe_drop(drop), end_sentence(drop)):
            assert said.removesuffix(".").endswith("; GOAWAY had come 12 s before")
