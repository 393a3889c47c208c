"""Which connections an idle probe opens, when, and what each of them does: a pure plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import TrialKind

# Enough apart to spare the endpoint, close enough that thirty of them start within a second.
_STAGGER_S = 0.03
# A keepalive lane whose gaps double begins with this share of the interval asked for.
_FIRST_GAP = 1 / 16
_KEEPALIVES: tuple[TrialKind, ...] = ("ping", "pong", "tcp-keepalive", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One connection: what it does, and when it dials, in seconds after the round's start.

    `idle_for_s`: ask for a sign of life after so much idleness. `gap_s`: send a keepalive this
    often; `first_gap_s` smaller than that: gaps that double from there on, so that at any age the
    longest one so far is at most half of it. Whatever the timeout turns out to be, one was short
    enough.
    """

    trial: TrialKind
    start_s: float = 0.0
    idle_for_s: float | None = None
    gap_s: float | None = None
    first_gap_s: float | None = None
    late: bool = False
    """Started on purpose after the others: tells a common age from a common moment."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The connections of one round in the order they dial, and remarks on what had to give way."""

    lanes: tuple[TrialPlan, ...]
    notes: tuple[str, ...] = ()


def plan_round(options: IdleOptions) -> Plan:
    """The first pass: watchers and rungs, and two lanes for every kind of keepalive."""
    budget = options.max_connections - 1  # the control connection
    essential, nice = _companions(options)
    rungs = idle_periods(options)
    room = budget - len(essential) - len(rungs)
    chosen = [*essential, *nice[: max(0, room)]]
    notes: tuple[str, ...] = ()
    if room < 0:
        wanted = len(rungs)
        chosen = essential[: max(2, budget - 1)]
        rungs = thin(rungs, budget - len(chosen))
        notes = (
            f"With {options.max_connections} connections, {len(rungs)} of {wanted} idle periods "
            "were tried: a silent drop is found less exactly.",
        )
    idle = [TrialPlan(trial="idle", idle_for_s=idle_for_s) for idle_for_s in rungs]
    return Plan(_staggered([*chosen, *idle], options), notes)


def plan_refinement(options: IdleOptions, low: float, high: float) -> Plan:
    """A second pass inside a silent bracket: rungs one second apart (less when scaled down)."""
    step = min(1.0, options.step_s / 5)
    count = min(math.ceil((high - low) / step - 1e-9) - 1, options.max_connections - 2)
    if count < 1:
        return Plan(())
    rungs = [low + (high - low) * (i + 1) / (count + 1) for i in range(count)]
    lanes = [TrialPlan(trial="idle", idle_for_s=round(idle_for_s, 3)) for idle_for_s in rungs]
    ping = TrialPlan(trial="ping", gap_s=_short_gap(options, high))
    return Plan(_staggered([ping, *lanes], options))


def idle_periods(options: IdleOptions) -> list[float]:
    """Idle periods from `from_s` to `to_s`, both included, and the one required."""
    count = math.floor((options.to_s - options.from_s) / options.step_s + 1e-9)
    times = {round(options.from_s + i * options.step_s, 6) for i in range(count + 1)}
    times.add(options.to_s)
    if options.require_s is not None:
        times.add(options.require_s)
    return sorted(times)


def thin(rungs: list[float], count: int) -> list[float]:
    """`count` of these, evenly chosen; the longest always stays."""
    if count >= len(rungs):
        return rungs
    if count <= 1:
        return rungs[-1:] if count == 1 else []
    return [rungs[round(i * (len(rungs) - 1) / (count - 1))] for i in range(count)]


def late_by_s(options: IdleOptions) -> float:
    """How long after the others the late lanes start."""
    return min(3.0, max(0.2, options.from_s / 10))


def _companions(options: IdleOptions) -> tuple[list[TrialPlan], list[TrialPlan]]:
    """Lanes beside the rungs: those never left out, and those that go where there is room."""
    gap, first = options.keepalive_s, options.keepalive_s * _FIRST_GAP
    kinds = [kind for kind in _KEEPALIVES if kind in options.all_trials]
    essential = [TrialPlan(trial="idle")]
    essential += [TrialPlan(trial=kind, gap_s=gap) for kind in kinds[:1]]
    essential += [
        TrialPlan(trial=kind, gap_s=gap, first_gap_s=first, late=True) for kind in kinds[:1]
    ]
    essential.append(TrialPlan(trial="idle", late=True))
    essential += [TrialPlan(trial=kind, gap_s=gap) for kind in kinds[1:]]
    if "push" in options.all_trials:
        essential.append(TrialPlan(trial="push"))
    nice = [TrialPlan(trial=kind, gap_s=gap, first_gap_s=first) for kind in kinds[1:]]
    nice.append(TrialPlan(trial="idle"))
    return essential, nice


def _short_gap(options: IdleOptions, timeout: float) -> float:
    return min(options.keepalive_s, timeout / 2)


def _staggered(lanes: list[TrialPlan], options: IdleOptions) -> tuple[TrialPlan, ...]:
    """Starting times: a little apart from each other, the late ones well behind."""
    apart = min(_STAGGER_S, options.from_s / 100)
    late = late_by_s(options)
    return tuple(
        replace(lane, start_s=round(i * apart + (late if lane.late else 0.0), 6))
        for i, lane in enumerate(lanes)
    )
