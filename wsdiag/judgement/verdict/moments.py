"""Ends that share a moment, although their connections had started apart.

Three things end connections together. An *event* (a restart, a reload, a deploy) ends them all, in
use or not. A *sweep* ends those that are due: an endpoint that looks at its sessions every ten
seconds finds all that have been idle for longer than its timeout, and closes them at one moment;
those in use live on. And an endpoint that allows one connection ends the one before when the next
one is opened.

A sweep hides the timeout: what it ended had been idle for longer, and what lives on between two
sweeps may be overdue as well. Only a connection that was open at a moment of a sweep and outlived
it had been idle for less; and between two sweeps lies at most the shortest time between two
moments at which something ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wsdiag.judgement.verdict.clocks import (
    CLOCKS,
    MARGIN_ABOVE_S,
    MARGIN_BELOW_S,
    ClockName,
    same_moment,
)
from wsdiag.judgement.verdict.evidence import AT_ONCE_S, ended_s
from wsdiag.records import IdleTrial, Range

_ONE_MOMENT_S = 0.25
# Starting times that differ by less do not tell a common moment from a common idle time.
_LEAST_SPREAD_S = 0.18
# Ages that differ by less tell nothing of a moment.
_TELLING_S = 0.1
# Of the spread of idle times: how far apart the ends of one sweep may be.
_SHARE = 0.35
_LEAST = 3
# A connection ends this soon after the next one was opened where only one is allowed.
_DISPLACED_S = 0.25
_TO_THE_MOMENT_S = 0.02
# At once, where none of them lived to the end.
_MOST_ALLOWED = 3
# How far apart the ages may be to which an exact timer ends connections.
_EXACT_S = 0.005
_LEAVING = {1001, 1012}
_DRAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """Drops at common moments; `period_s`: at most so long between two looks, None: not known."""

    range: Range
    period_s: float | None
    members: tuple[IdleTrial, ...]
    clock: ClockName = "either"
    """Whose silence: what most had survived for longer before is not what counts."""


def event_rounds(
    ran: Sequence[IdleTrial], dropped: Sequence[IdleTrial], in_use: Sequence[IdleTrial]
) -> list[int]:
    """The rounds in which connections ended at one moment, those in use with them: or all that
    there were, before any could have been in use."""
    found = []
    for number in sorted({t.round for t in dropped}):
        ended = [t for t in dropped if t.round == number and t.outcome == "dropped"]
        ended = [t for t in ended if not t.after_write]
        used = any(t in in_use for t in ended)
        young = all((t.age_s or 0.0) <= AT_ONCE_S for t in ended)
        if used and _messages_outlived(ended, ran):
            continue  # those were due, for what counts only messages
        if ended and _only_the_oldest(ended, ran):
            continue  # those were due, for what looks at ages now and then
        if not used and young:
            used = len(ended) == sum(t.round == number for t in ran)
        again = _again_and_again(ended, [t for t in ran if t.round == number])
        used = used or again or _all_that_were_open(ended, ran)
        together = again or same_moment(ended) or _going_away(ended)
        if used and len(ended) > 1 and together:
            found.append(number)
    return found


def _again_and_again(ended: Sequence[IdleTrial], ran: Sequence[IdleTrial]) -> bool:
    """Whether all of a round ended, at several moments, some of them shared by many connections of
    different ages: no keepalive tells what is due from what is not."""
    moments = moments_of(ended)
    apart = [moment for moment in moments if _span(_ages(moment)) > _TELLING_S]
    return (
        len(ended) == sum(t.outcome not in ("refused", "aborted") for t in ran)
        and any(t.trial != "idle" for t in ended)
        and len(moments) > 1
        and any(len(moment) >= _LEAST for moment in apart)
        and all(map(same_moment, apart))
    )


def _all_that_were_open(ended: Sequence[IdleTrial], ran: Sequence[IdleTrial]) -> bool:
    """Whether nothing that was open lived on, and what was opened later survived far longer: no
    timer did it, even where nothing had been in use yet."""
    if len(ended) < _LEAST:
        return False
    over_s, oldest_s = max(map(ended_s, ended)), max(t.age_s or 0.0 for t in ended)
    open_ = [t for t in ran if t.round == ended[0].round and t.started_s < over_s]
    later = [t for t in ran if t.trial == "idle" and t.started_s >= over_s]
    longer = [t for t in later if (t.longest_idle_s or 0.0) > 1.25 * oldest_s + 1.0]
    return len(open_) == len(ended) and bool(longer)


def _messages_outlived(ended: Sequence[IdleTrial], ran: Sequence[IdleTrial]) -> bool:
    """Whether connections that sent messages lived on beyond the moment at which these ended, all
    that were open."""
    over_s = max(ended_s(t) for t in ended)
    spoke = [t for t in ran if t.trial in ("data", "heartbeat") and t.round == ended[0].round]
    open_ = [t for t in spoke if t.keepalives_sent and t.started_s < over_s - _ONE_MOMENT_S]
    return bool(open_) and all(ended_s(t) > over_s + _ONE_MOMENT_S for t in open_)


def _only_the_oldest(ended: Sequence[IdleTrial], ran: Sequence[IdleTrial]) -> bool:
    """Whether others that were open lived on, and all of them had been opened later."""
    over_s, last_s = max(map(ended_s, ended)), max(map(_started, ended))
    lived = [t for t in ran if t.round == ended[0].round and ended_s(t) > over_s + _ONE_MOMENT_S]
    opened_s = [t.started_s for t in lived if over_s - t.started_s > AT_ONCE_S]
    return bool(opened_s) and min(opened_s) > last_s


def _going_away(ended: Sequence[IdleTrial]) -> bool:
    """Whether these ended within a second, at ages that differ, and said that the endpoint leaves:
    connections that are drained end one after the other."""
    ends, ages = [ended_s(t) for t in ended], [t.age_s or 0.0 for t in ended]
    codes = {None if t.drop is None else t.drop.code for t in ended}
    together = max(ends) - min(ends) <= _DRAIN_S and max(ages) - min(ages) > _LEAST_SPREAD_S
    return together and len(ended) > _LEAST and codes <= _LEAVING


def find_sweep(events: Sequence[IdleTrial]) -> Sweep | None:
    """One idle timeout, looked at now and then, as the cause of these drops; None: it is not."""
    moments = moments_of(events)
    together = [moment for moment in moments if len(moment) >= _LEAST]
    if not together or 2 * sum(map(len, together)) < len(events):
        return None
    for moment in together:
        ends = [ended_s(t) for t in moment]
        # On no clock may they agree: where only one direction counts, what came from the other
        # spreads the idle times of connections that a plain timer ended.
        clocks = [[read(t) for t in moment] for read in CLOCKS.values()]
        spread_s = min(_span(values) for values in clocks if any(values))
        # A process that did not run sees ends together that came apart.
        blind_s = max(t.blind_s for t in moment)
        if spread_s < max(_LEAST_SPREAD_S, 4 * blind_s):
            return None
        if _span(ends) > _SHARE * spread_s:
            return None
    clock: ClockName = "either"
    longer = [t for t in events if (t.longest_idle_s or 0.0) > (t.idle_s or 0.0)]
    if 2 * len(longer) > len(events):
        clock = max(("sent", "received"), key=lambda name: min(map(CLOCKS[name], events)))
    read = CLOCKS[clock]
    high_s = min(read(t) + t.upgrade_s for t in events)
    low_s, period_s = 0.0, None
    for number in {t.round for t in events}:
        own = [moment for moment in moments if moment[0].round == number]
        times = [max(ended_s(t) for t in moment) for moment in own]
        for i, moment_s in enumerate(times):
            for later in own[i + 1 :]:
                # Open at that moment, and idle since then as before: it was not yet due.
                survived = [moment_s - (ended_s(t) - read(t)) for t in later]
                low_s = max([low_s, *survived])
        gaps = [after - before for before, after in pairwise(times)]
        period_s = min([*gaps, *([] if period_s is None else [period_s])], default=None)
    if period_s is not None:
        low_s = max(low_s, high_s - period_s)
    if low_s - MARGIN_BELOW_S > high_s:
        return None
    range_ = Range(
        round(max(0.0, min(low_s, high_s) - MARGIN_BELOW_S), 2), round(high_s + MARGIN_ABOVE_S, 2)
    )
    return Sweep(range_, period_s, tuple(events), clock)


def _span(values: Sequence[float]) -> float:
    return max(values) - min(values)


def _ages(trials: Sequence[IdleTrial]) -> list[float]:
    return [t.age_s or 0.0 for t in trials]


def one_by_one(dropped: Sequence[IdleTrial]) -> bool:
    """Whether each round had one end, so that none could share its moment, and their ages differ by
    more than those of an exact timer."""
    alone = len({t.round for t in dropped}) == len(dropped) > 1
    return alone and _span(_ages(dropped)) > _EXACT_S


def displaced(trials: Sequence[IdleTrial]) -> int | None:
    """How many connections at once an endpoint allows that ends another when one more is opened: k,
    where k lived and each opening beyond ended one; or, of an endpoint that ends the oldest, where
    each ended when the kth next of its round was opened, and only the last ones lived."""
    rounds = [[t for t in trials if t.round == n] for n in sorted({t.round for t in trials})]
    opened = [sorted((t for t in own if t.age_s is not None), key=_started) for own in rounds]
    if not any(t.outcome == "dropped" for own in opened for t in own):
        return None
    if (lived_on := _ended_one_for_one(opened)) is not None:
        return lived_on
    for own in opened:
        lived = [t for t in own if t.outcome != "dropped"]
        ended = [t for t in own if t.outcome == "dropped"]
        if lived and ended and min(map(_started, lived)) < _started(ended[-1]) - _ONE_MOMENT_S:
            return None
        oldest = max(own, key=lambda t: t.age_s or 0.0, default=None)
        if not lived and oldest is not None and oldest not in own[-_MOST_ALLOWED:]:
            return None
        # A limit lets the first ones live, not the last.
        if lived and 2 * sum(_started(t) > _started(lived[0]) for t in ended) > len(ended):
            return None
    lived_each = {sum(t.outcome != "dropped" for t in own) for own in opened} - {0}
    allowed = {*range(1, _MOST_ALLOWED + 1), *lived_each}
    if not any(_ended_by_the_kth_next(opened, k) for k in sorted(allowed)):
        return None
    # Connections are opened in quick succession: several k fit roughly, what lived on tells.
    return max(lived_each, default=1)


def _ended_one_for_one(rounds: Sequence[Sequence[IdleTrial]]) -> int | None:
    """How many lived on in each round, where each opening beyond as many ended one of the others,
    whichever; and idle ones lived on for longer, so that no timer did it."""
    allowed = {sum(t.outcome != "dropped" for t in opened) for opened in rounds}
    k = min(allowed)
    ended = [sorted((t for t in own if t.outcome == "dropped"), key=ended_s) for own in rounds]
    pairs = [
        (trial, later)
        for own, opened in zip(ended, rounds, strict=True)
        for trial, later in zip(own, opened[k:], strict=False)
    ]
    lags_s = [ended_s(trial) - later.started_s for trial, later in pairs]
    if len(allowed) > 1 or not k or len(pairs) < _LEAST:
        return None
    for (trial, later), lag_s in zip(pairs, lags_s, strict=True):
        at_once = -later.upgrade_s - 0.1 <= lag_s <= _DISPLACED_S
        if trial.started_s >= later.started_s or not at_once:
            return None
    if any(own and _span([ended_s(t) for t in own]) < _span(lags_s) for own in ended):
        return None  # an event ended them all, while others were still being opened
    longest_s = max(t.idle_s or 0.0 for trials in ended for t in trials)
    idle = [t for opened in rounds for t in opened if t.trial == "idle"]
    return k if any((t.longest_idle_s or 0.0) > 2 * longest_s for t in idle) else None


def _started(trial: IdleTrial) -> float:
    return trial.started_s


def _ended_by_the_kth_next(rounds: Sequence[Sequence[IdleTrial]], k: int) -> bool:
    fits: list[bool] = []
    lags_s: list[float] = []
    ends_s: list[float] = []
    for opened in rounds:
        for trial, later in zip(opened, opened[k:], strict=False):
            if trial.outcome == "dropped":
                lag_s = ended_s(trial) - later.started_s
                fits.append(-later.upgrade_s - 0.1 <= lag_s <= _DISPLACED_S)
                if fits[-1]:
                    lags_s.append(lag_s)
                    ends_s.append(ended_s(trial))
    if len(fits) == 1:
        # One of two: only where it was to the moment, and nothing else can be compared.
        total = sum(map(len, rounds))
        return fits[0] and total == 1 + k and abs(lags_s[0]) <= _TO_THE_MOMENT_S
    if len(lags_s) == 2 and _span(lags_s) > _TO_THE_MOMENT_S:
        return False  # what displaces does so at once, each time
    if len(lags_s) > 2 and max(ends_s) - min(ends_s) < max(lags_s) - min(lags_s):
        return False  # an event ended them all, while others were still being opened
    return sum(fits) > 1 and sum(fits) >= 0.9 * len(fits)


def moments_of(trials: Sequence[IdleTrial]) -> list[list[IdleTrial]]:
    """Trials by the moment at which they ended, within a round."""
    found: list[list[IdleTrial]] = []
    for trial in sorted(trials, key=lambda t: (t.round, ended_s(t))):
        last = found[-1][-1] if found else None
        near = last is not None and last.round == trial.round
        if last is not None and near and ended_s(trial) - ended_s(last) <= _ONE_MOMENT_S:
            found[-1].append(trial)
        else:
            found.append([trial])
    return found
