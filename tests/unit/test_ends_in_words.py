"""The words for an end: the same in every table and sentence, and no more than was seen."""

from __future__ import annotations

import pytest

from wsdiag.probes.connect.notes import ended_error
from wsdiag.records import Drop
from wsdiag.records.drops import describe_drop, drop_predicate, end_sentence, short_drop

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
