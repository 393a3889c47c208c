"""Drops that are spread out: one timer with a random part, or several timers?

The test: were n idle times spread evenly between the smallest and the largest of them, the n - 2
in between would leave k gaps of a share s of the whole or more each with a probability of at most
C(n - 1, k) (1 - k s)^(n - 2). Several timers are claimed only where the k gaps that separate the
groups are less likely than 1 in 1,000 by that, each group has two members at least, and is as
narrow as one timer's drops are. Timers that vary evenly, or about a mean, are then taken for
several in fewer than 1 of 100 cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from wsdiag.judgement.verdict.clocks import tolerance_s
from wsdiag.records import Range

_BY_CHANCE = 0.001
_MOST_GROUPS = 4
# Beyond this ratio of the longest to the shortest, not even a random part explains a spread.
MOST_SPREAD = 2.5


def beyond_chance(range_: Range) -> Range:
    """A spread's range, raised by as much as another connection may outlive it by chance."""
    high = range_.low if range_.high is None else range_.high
    return Range(range_.low, high + 0.2 * (high - range_.low))


def separate_groups(values: Sequence[float]) -> list[list[float]] | None:
    """The groups that these idle times fall into, two to four; None: they are one spread."""
    ordered = sorted(values)
    whole = ordered[-1] - ordered[0] if ordered else 0.0
    if len(ordered) < 4 or whole <= 0.0:
        return None
    gaps = sorted(range(1, len(ordered)), key=lambda i: ordered[i] - ordered[i - 1], reverse=True)
    for count in range(1, _MOST_GROUPS):
        cuts = [0, *sorted(gaps[:count]), len(ordered)]
        groups = [ordered[a:b] for a, b in pairwise(cuts)]
        narrow = all(len(g) > 1 and g[-1] - g[0] <= tolerance_s(g[0]) for g in groups)
        share = (ordered[gaps[count - 1]] - ordered[gaps[count - 1] - 1]) / whole
        if narrow and _chance(len(ordered), count, share) <= _BY_CHANCE:
            return groups
    return None


def _chance(n: int, gaps: int, share: float) -> float:
    rest = max(0.0, 1.0 - gaps * share)
    return math.comb(n - 1, gaps) * float(rest ** (n - 2))
