"""How far away a packet's sender is, by what is left of its hop limit.

Systems start with 64, 128 or 255, and every router takes one away; from which start a packet came
is a guess, and good only as far as paths are shorter than the distances between the starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_STARTS = (64, 128, 255)


def hops_away(hop_limit: int) -> int:
    """How many routers a packet with this hop limit passed, from the nearest usual start."""
    return min(start - hop_limit for start in _STARTS if start >= hop_limit)


class HopDistances(NamedTuple):
    """A packet that another machine sent than the one it claims to be from."""

    hops: int
    """Routers between here and who sent it."""
    usual_hops: int
    """Routers between here and who it claims to be."""
    usual_limit: int


def other_sender(hop_limit: int | None, usual: Mapping[int, int]) -> HopDistances | None:
    """Who sent a packet, beside the hop limits of its supposed sender's others, and their numbers.

    None where the distances differ by less than two, or one of them is not known. A different start
    alone is no evidence: a system may reset from another one. Of several distances (the path
    changed, or a capture has each packet at several places) the nearest counts.
    """
    if not usual or hop_limit is None:
        return None
    here = hops_away(hop_limit)
    nearest = min(usual, key=lambda limit: (abs(hops_away(limit) - here), -usual[limit]))
    there = hops_away(nearest)
    return HopDistances(here, there, nearest) if abs(here - there) >= 2 else None
