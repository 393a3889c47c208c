"""One URL's books: counts, round trips, causes; and the summary drawn from them at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from wsdiag.judgement.advice import AdviceFacts, advice
from wsdiag.judgement.attribution import (
    LOSS_REMEMBERED,
    Baseline,
    RoundTripFacts,
    cause_of,
    is_outlier,
    shows_loss,
)
from wsdiag.judgement.summary_text import SummaryFacts, attribute
from wsdiag.records import Cause, Clock, Drop, PingSummary, Threshold
from wsdiag.statistics import RunningStatistics

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter

# What TCP held back behind a lost segment is delivered at once when the segment is there.
_BURST_NS = 1_000_000


class Limits(NamedTuple):
    """Thresholds asked for; times in ms, loss in percent; None: not asked for."""

    max_p50_ms: float | None = None
    max_p95_ms: float | None = None
    max_p99_ms: float | None = None
    max_loss_pct: float | None = None


@dataclass(slots=True)
class PingTotals:
    """Everything counted about one URL over all of its connections."""

    url: str
    started: float
    """Loop time in s at which measuring began (the first Ping could have left)."""
    sent: int = 0
    received: int = 0
    lost: int = 0
    late: int = 0
    unmatched: int = 0
    overtaken: int = 0
    """Lost ones whose successors were answered."""
    cut_off: int = 0
    """Lost ones that were under way when their connection ended."""
    drops: int = 0
    last_drop: Drop | None = None
    statistics: RunningStatistics = field(default_factory=RunningStatistics)
    baseline: Baseline = field(default_factory=Baseline)
    causes: dict[Cause, int] = field(default_factory=dict)
    retransmitted: int = 0
    unexplained: int = 0
    floor_ms: float | None = None
    slowest_ms: float | None = None
    clock: Clock = "user"
    proxy: str | None = None
    no_echo: bool = False
    _loss_repaired_ns: int | None = None
    _answers_since_loss: int = LOSS_REMEMBERED

    def reply(
        self, facts: RoundTripFacts, arrived_ns: int, *, late: bool, usual: bool
    ) -> Cause | None:
        """Enter an answer and return its cause; `usual` False keeps it out of the baseline."""
        normal = self.baseline.normal()
        if self._loss_repaired_ns is not None and arrived_ns - self._loss_repaired_ns <= _BURST_NS:
            facts = facts._replace(behind_loss=True)
        elif self._answers_since_loss < LOSS_REMEMBERED:
            facts = facts._replace(after_loss=True)
        self._answers_since_loss = 0 if shows_loss(facts) else self._answers_since_loss + 1
        cause = cause_of(facts, normal)
        if is_outlier(facts.rtt_ms, normal):
            self._count_outlier(cause, facts)
            if cause == "network" and shows_loss(facts):
                self._loss_repaired_ns = arrived_ns
        if usual:
            self.baseline.add(facts.rtt_ms, facts.tcp_rtt_ms)
        self.slowest_ms = max(self.slowest_ms or 0.0, facts.rtt_ms)
        if late:
            self.late += 1
        else:
            self.received += 1
            self.statistics.add(facts.rtt_ms)
        return cause

    def _count_outlier(self, cause: Cause | None, facts: RoundTripFacts) -> None:
        if cause is None:
            self.unexplained += 1
            return
        self.causes[cause] = self.causes.get(cause, 0) + 1
        if cause == "network" and shows_loss(facts):
            self.retransmitted += 1

    def dropped(self, drop: Drop) -> None:
        """Enter the end of a connection that we did not ask for."""
        self.drops += 1
        self.last_drop = drop

    def saw_floor(self, min_rtt_ms: float | None) -> None:
        """Enter TCP's own shortest round trip in ms; the kernel forgets it after five minutes."""
        if min_rtt_ms is not None:
            self.floor_ms = min(min_rtt_ms, self.floor_ms or min_rtt_ms)

    @property
    def loss_pct(self) -> float | None:
        """Lost Pings among those whose fate is known, in percent; None when there is none."""
        known = self.received + self.lost
        return 100.0 * self.lost / known if known else None


def summarise(
    books: PingTotals,
    limits: Limits,
    now: float,
    *,
    stalls: int = 0,
    longest_stall_s: float = 0.0,
    load: LoadMeter | None = None,
    partial: bool = False,
) -> PingSummary:
    """The record of everything so far; `now` in loop time."""
    figures = books.statistics
    p50, p95, p99 = (figures.percentile(p) for p in (50, 95, 99))
    # Whose the median is can be asked of an idle connection only.
    found = _findings(books, load.idle if load else figures, stalls, longest_stall_s)
    return PingSummary(
        url=books.url,
        sent=books.sent,
        received=books.received,
        lost=books.lost,
        loss_pct=books.loss_pct,
        min_ms=figures.minimum,
        avg_ms=figures.mean,
        p50_ms=p50,
        p90_ms=figures.percentile(90),
        p95_ms=p95,
        p99_ms=p99,
        max_ms=figures.maximum,
        stddev_ms=figures.stddev,
        jitter_ms=figures.jitter,
        duration_s=max(0.0, now - books.started),
        late=books.late,
        attribution=attribute(found) if books.received or books.late else None,
        load=load.result() if load else None,
        thresholds=judge(limits, p50, p95, p99, books.loss_pct),
        drops=books.drops,
        unmatched=books.unmatched,
        advice=advice(_seen(books, p50)),
        partial=partial,
    )


def _findings(
    books: PingTotals, figures: RunningStatistics, stalls: int, longest_stall_s: float
) -> SummaryFacts:
    normal = books.baseline.normal()
    return SummaryFacts(
        p50_ms=figures.percentile(50),
        min_ms=figures.minimum,
        floor_ms=books.floor_ms,
        limit_ms=normal.limit_ms if normal else None,
        causes=books.causes,
        unexplained=books.unexplained,
        retransmitted=books.retransmitted,
        proxy=books.proxy,
        stalls=stalls,
        longest_stall_ms=longest_stall_s * 1e3,
        clock=books.clock,
    )


def _seen(books: PingTotals, p50: float | None) -> AdviceFacts:
    drop = books.last_drop
    return AdviceFacts(
        p50_ms=p50,
        slowest_ms=books.slowest_ms,
        lost=books.lost - books.cut_off,
        received=books.received,
        late=books.late,
        overtaken=books.overtaken,
        closed_by=drop.reason if drop else None,
        close_code=drop.code if drop else None,
        no_echo=books.no_echo,
        unmatched=books.unmatched,
    )


def judge(
    limits: Limits, p50: float | None, p95: float | None, p99: float | None, loss_pct: float | None
) -> tuple[Threshold, ...]:
    """Each limit asked for and whether it holds; what could not be measured does not hold."""
    asked = (
        ("max-p50", limits.max_p50_ms, p50),
        ("max-p95", limits.max_p95_ms, p95),
        ("max-p99", limits.max_p99_ms, p99),
        ("max-loss", limits.max_loss_pct, loss_pct),
    )
    return tuple(
        Threshold(name, limit, measured, measured is not None and measured <= limit)
        for name, limit, measured in asked
        if limit is not None
    )
