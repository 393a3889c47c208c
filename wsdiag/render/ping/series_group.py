"""One series an endpoint, and of many the few that need a look: losses first, then slowness."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wsdiag.render.ping.series import FINENESS, Sample, Series, Tally

MANY = 12
"""Beyond so many endpoints a view names the worst of them and sums up the rest."""
WORST = 6
"""So many have a colour of their own."""
# What the charts of one view may remember together, in moments of some 300 bytes; each keeps enough
# for a line, and where that is all, a line of them is what a small chart shows anyway.
_MOMENTS, _LEAST = 16 * FINENESS, 128


class SeriesGroup:
    """All endpoints of a view; `tally` has the figures over all of them together."""

    def __init__(self, urls: Sequence[str], show: Callable[[str], str], window_s: float) -> None:
        """`show` makes a URL fit for the eye. A URL given twice is one name, and shares a line."""
        names = dict.fromkeys(urls)
        self._show, self._window_s = show, window_s
        self._fineness = min(FINENESS, max(_LEAST, _MOMENTS // max(len(names), 1)))
        self._series = {url: self._new(url) for url in names}
        self.tally = Tally()

    def _new(self, url: str) -> Series:
        return Series(self._show(url), self._window_s, self._fineness)

    def __len__(self) -> int:
        return len(self._series)

    def add(self, url: str, sample: Sample) -> None:
        """Take one sample of one endpoint in."""
        if url not in self._series:
            self._series[url] = self._new(url)
        self._series[url].add(sample)
        self.tally.add(sample)

    @property
    def first(self) -> Series:
        """The one endpoint, where there is only one."""
        return next(iter(self._series.values()))

    @property
    def sampled(self) -> bool:
        """Whether the fate of any Ping is known."""
        return bool(self.tally.received or self.tally.lost)

    def fitting(self, most: int) -> list[Series]:
        """All in their order where at most `most` fit, else the worst, and a row left for all."""
        if len(self) <= most:
            return list(self._series.values())
        return self.ranked()[: max(most - 1, 1)]

    def ranked(self) -> list[Series]:
        """The worst first; equally bad ones in their order."""
        return sorted(self._series.values(), key=_badness, reverse=True)

    def final(self) -> list[Series]:
        """For the view that stays: in their order, or the worst first when they are many."""
        return self.ranked() if len(self) > MANY else list(self._series.values())


def _badness(series: Series) -> tuple[float, float]:
    # the longest round trip and not a percentile: rows that change places can not be read
    return series.tally.loss_pct or 0.0, series.tally.max_ms or 0.0
