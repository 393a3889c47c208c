"""Drops that are spread out: one timer with a random part, or several timers?

The test: were n idle times spread evenly between the smallest and the largest of them, the n - 1
spaces between neighbours would have shares of the whole of which k are s or more with a probability
of at most C(n - 1, k) (1 - k s)^(n - 2). The same holds where they thin out exponentially towards
one end, if each space counts as often as there are times beyond it on that side. Several timers are
claimed only where the k spaces that separate the groups are less likely than 1 in 1,000 by all
three, each group has two members at least, and is as narrow as one timer's drops are. Of timers
that vary evenly, about a mean, or with a tail, fewer than 1 in 100 are then taken for several.

A keepalive that seems to hold may have met a late timer. Were its m connections among n + m whose
timers thin out exponentially, the chance that just these outlive all others, and by r times the
spread of the others, is that of being the last m, 1 / C(n + m, m), times the product of
k / (k + m r) for k from 1 to n - 1. Where drops are spread, `holds` takes less than 1 in 200.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from wsdiag.judgement.verdict.clocks import tolerance_s
from wsdiag.records import Range

_BY_CHANCE = 0.001
_MOST_GROUPS = 4
_TO_OUTLIVE = 0.005
# Drops of one exact timer lie closer together, on any machine.
_SPREAD_S = 0.25
# Beyond this ratio of the longest to the shortest, not even a random part explains a spread.
MOST_SPREAD = 2.5


def beyond_chance(range_: Range) -> Range:
    """A spread's range, raised by as much as another connection may outlive it by chance."""
    high = range_.low if range_.high is None else range_.high
    return Range(range_.low, high + 0.2 * (high - range_.low))


def by_chance(ages_s: Sequence[float], outlived_s: Sequence[float]) -> bool:
    """Whether connections of these ages may have outlived such ends by chance, all of them."""
    count, more, first_s = len(ages_s), len(outlived_s), min(ages_s, default=0.0)
    spread_s = max(ages_s, default=0.0) - first_s
    if spread_s <= _SPREAD_S or not outlived_s:
        return False
    by = more * max(0.0, min(outlived_s) - first_s - spread_s) / spread_s
    chance = math.prod(k / (k + by) for k in range(1, count)) / math.comb(count + more, more)
    return chance > _TO_OUTLIVE


def enough_above_s(ages_s: Sequence[float]) -> float:
    """By how much two connections must outlive ends that are spread, so that it is no chance."""
    if len(ages_s) < 2:
        return 0.0
    return max(0.25, 7.5 / len(ages_s)) * (max(ages_s) - min(ages_s))


def separate_groups(values: Sequence[float]) -> list[list[float]] | None:
    """The groups that these idle times fall into, two to four; None: they are one spread."""
    ordered = sorted(values)
    whole = ordered[-1] - ordered[0] if ordered else 0.0
    if len(ordered) < 4 or whole <= 0.0:
        return None
    spaces = [after - before for before, after in pairwise(ordered)]
    widest = sorted(range(len(spaces)), key=spaces.__getitem__, reverse=True)
    for count in range(1, _MOST_GROUPS):
        between = sorted(widest[:count])
        cuts = [0, *(i + 1 for i in between), len(ordered)]
        groups = [ordered[a:b] for a, b in pairwise(cuts)]
        narrow = all(len(g) > 1 and g[-1] - g[0] <= tolerance_s(g[0]) for g in groups)
        if narrow and all(_chance(own, between) <= _BY_CHANCE for own in _weighted(spaces)):
            return groups
    return None


def _weighted(spaces: Sequence[float]) -> list[list[float]]:
    """The spaces as they are, and as often as there are times beyond each, on either side."""
    count = len(spaces)
    above = [(count - i) * space for i, space in enumerate(spaces)]
    below = [(1 + i) * space for i, space in enumerate(spaces)]
    return [list(spaces), above, below]


def _chance(spaces: Sequence[float], between: Sequence[int]) -> float:
    """How likely as many spaces of one spread are as large as the least of these."""
    gaps, whole = len(between), sum(spaces)
    rest = max(0.0, 1.0 - gaps * min(spaces[i] for i in between) / whole)
    return math.comb(len(spaces), gaps) * float(rest ** (len(spaces) - 1))
