"""Whose packet ended a connection: claimed only where it came from nearer than the peer."""

from __future__ import annotations

import pytest

from wsdiag.packets.tcp import ACK, FIN, RST, SYN
from wsdiag.probes.common.end_origin import with_origin
from wsdiag.records import Drop, DropHow
from wsdiag.records.base import OtherSender
from wsdiag.transport.path.capture import HopLimits


def limits(*packets: tuple[int, int]) -> HopLimits:
    seen = HopLimits()
    for flags, hop_limit in packets:
        seen.note(flags, hop_limit)
    return seen


@pytest.mark.parametrize("how", ["rst", "rst-on-write"])
def test_a_reset_from_nearer_was_injected(how: DropHow) -> None:
    drop = with_origin(Drop(how, 1.0, detail="reset by peer"), limits((ACK, 60), (RST, 63)))
    assert drop.sent_from == OtherSender(1, 4)
    assert drop.detail == (
        "reset by peer; the RST passed 1 router, the endpoint's packets 4: injected on the way"
    )


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ("rst", limits((ACK, 60), (RST, 60))),
        ("rst", limits((ACK, 60), (RST, 61))),  # one hop is no evidence
        ("rst", limits((ACK, 60), (RST, 251))),  # another start
        ("rst", limits((SYN | ACK, 62), (RST, 55))),  # a SYN proxy answered at first
        ("rst", limits((ACK, 60), (ACK, 62), (RST, 63))),  # the path changed before
        ("rst", limits((RST, 63))),  # nothing to compare it with
        ("rst", limits((ACK, 60))),
        ("fin", limits((ACK, 60), (RST, 63))),  # the FIN came before, and from elsewhere
        ("close", limits((ACK, 60), (FIN, 63))),
        ("silent", limits((ACK, 60), (RST, 63))),
    ],
)
def test_nothing_else_is(how: DropHow, seen: HopLimits) -> None:
    drop = Drop(how, 1.0)
    assert with_origin(drop, seen) == drop


def test_a_fin_from_nearer() -> None:
    found = with_origin(Drop("fin", 1.0), limits((ACK, 120), (FIN | ACK, 127)))
    assert found.sent_from == OtherSender(1, 8)
