"""Which connections an idle probe opens, when, and what each of them does: a pure plan."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from wsdiag.probes.idle.keepalives import BEHAVIOURS
from wsdiag.probes.idle.options import AWAY, DEFAULT_TRIALS, IdleOptions
from wsdiag.records import DeadKind, TrialKind
from wsdiag.units import counted

# A budget that leaves no room for both a Ping trial and its late twin.
_FEW = 3
# Enough apart to spare the endpoint, close enough that thirty of them start within a second.
_STAGGER_S = 0.03
# Doubling gaps begin with this share of the interval asked for.
_FIRST_GAP = 1 / 16
# With so few connections, the control connection is closed before the others are opened.
ALONE = 2
# Idle periods a little longer than products' defaults: two seconds, as some are late.
KNOWN_S = (30.0, 57.0, 62.0, 102.0, 122.0, 242.0, 302.0, 352.0, 602.0, 902.0)


Heartbeat = Literal["own", "answers"] | None
"""Heartbeats of the endpoint's protocol: the client's own, or its answers only; None: neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """One connection: what it does, and when it dials, in seconds after the round's start.

    `idle_for_s`: check for life after this idle period. `gap_s`: send a keepalive this often;
    `first_gap_s` smaller than that: gaps that double from there on, so that at any age the longest
    one so far is at most half of it. Whatever the timeout turns out to be, one was short enough.
    """

    trial: TrialKind
    start_s: float = 0.0
    idle_for_s: float | None = None
    gap_s: float | None = None
    first_gap_s: float | None = None
    late: bool = False
    """Started on purpose after the others: tells a common age from a common moment."""

    @property
    def shares(self) -> bool:
        """Whether it may be one of the streams of an HTTP/2 connection: a Ping on one of them
        would end the idleness of all, so that is for those which are only watched."""
        return self.trial == "idle" and self.idle_for_s is None


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of one round in the order they dial, and remarks on what had to give way."""

    trials: tuple[TrialPlan, ...]
    notes: tuple[str, ...] = ()


def plan_round(options: IdleOptions, heartbeat: Heartbeat = None, *, http2: bool = False) -> Plan:
    """The first pass: a trial for each idle period, and two for each kind of keepalive.

    `http2`: its PINGs are tried as well.
    """
    alone = options.max_connections <= ALONE
    budget = options.max_connections - (0 if alone else 1)  # the control connection
    budget -= len(plan_dead(options))
    essential, optional = _companions(options, heartbeat, http2=http2)
    periods = idle_periods(options)
    room = budget - len(essential) - len(periods)
    chosen = [*essential, *optional[: max(0, room)]]
    notes: tuple[str, ...] = ()
    if heartbeat is None and "heartbeat" in options.trials:
        notes = (
            "No heartbeat was tried: the endpoint's application protocol is not known, or has "
            "none, or wants a hello first (--dialect NAME).",
        )
    if room < 0:
        wanted = len(periods)
        chosen = essential[: max(2, budget - 1)]
        if budget <= _FEW:
            # Started apart from the idle one, so that an event is no lifetime.
            chosen = [essential[0], *(t for t in essential if t.late and t.trial != "idle")]
            chosen = chosen[:budget]
        periods = thin(periods, budget - len(chosen))
        tried = f"{len(periods)} of {wanted} idle periods were tried"
        few = counted(options.max_connections, "connection")
        fewer = f"With {few}, {tried}: a silent drop is found less exactly."
        if options.max_connections == 1:
            fewer = (
                "With 1 connection, one was left idle (twice, if it was dropped), and one pinged "
                "after it: a silent drop is "
                "found less exactly."
            )
        notes += (fewer,)
    idle = [TrialPlan(trial="idle", idle_for_s=period_s) for period_s in periods]
    return Plan(_staggered([*chosen, *idle], options), notes)


def plan_dead(options: IdleOptions) -> list[tuple[DeadKind, float | None]]:
    """The trials of dead clients that were asked for; of `vanish`, how long each is away."""
    plan: list[tuple[DeadKind, float | None]] = []
    for kind in options.dead:
        shares = AWAY if kind == "vanish" else ()
        plan += [(kind, round(share * options.longest_s, 3)) for share in shares] or [(kind, None)]
    return plan


def plan_refinement(options: IdleOptions, low: float, high: float) -> Plan:
    """A second pass between two idle periods: a second apart, or less in a probe scaled down."""
    step = min(1.0, (options.apart_s or 5.0) / 5)
    count = min(math.ceil((high - low) / step - 1e-9) - 1, options.max_connections - 2)
    if count < 1:
        return Plan(())
    periods = [low + (high - low) * (i + 1) / (count + 1) for i in range(count)]
    ping = TrialPlan(trial="ping", gap_s=min(options.gap_s, high / 2))
    idle = [TrialPlan(trial="idle", idle_for_s=round(period_s, 3)) for period_s in periods]
    return Plan(_staggered([ping, *idle], options))


def idle_periods(options: IdleOptions) -> list[float]:
    """Idle periods from the first to `to_s`, both included, and the one required."""
    first_s, apart_s = options.first_s, options.apart_s
    if apart_s is None:
        periods = {first_s, *(s for s in KNOWN_S if first_s <= s <= options.to_s)}
    else:
        count = math.floor((options.to_s - first_s) / apart_s + 1e-9)
        periods = {round(first_s + i * apart_s, 6) for i in range(count + 1)}
    periods.add(options.to_s)
    if options.require_s is not None:
        periods.add(options.require_s)
    return sorted(periods)


def thin(periods: list[float], count: int) -> list[float]:
    """`count` of these, evenly chosen; the longest always stays."""
    if count >= len(periods):
        return periods
    if count <= 1:
        return periods[-1:] if count == 1 else []
    return [periods[round(i * (len(periods) - 1) / (count - 1))] for i in range(count)]


def _companions(
    options: IdleOptions, heartbeat: Heartbeat, *, http2: bool
) -> tuple[list[TrialPlan], list[TrialPlan]]:
    """Trials beside those of the idle periods: never left out, and as far as there is room.

    First in the order of need: with the fewest connections an idle trial without a period and a
    Ping trial remain, then their late twins.
    """
    gap, first = options.gap_s, options.gap_s * _FIRST_GAP
    # A text that was given adds the kind that sends it.
    tried = {
        *options.kept_alive,
        *(kind for kind in BEHAVIOURS if options.text_of(kind) is not None),
    }
    tried = tried - {"heartbeat"} if heartbeat is None else tried | {"heartbeat"}
    if http2 and tried.issuperset(DEFAULT_TRIALS):  # where these were narrowed, they are all
        tried.add("h2-ping")
    tried = tried if http2 else tried - {"h2-ping"}
    kinds = [kind for kind in BEHAVIOURS if kind != "idle" and kind in tried]
    periodic = [kind for kind in kinds if BEHAVIOURS[kind].keepalive is not None]
    if heartbeat == "answers":  # the endpoint sets their pace
        periodic = [kind for kind in periodic if kind != "heartbeat"]
    steady = [TrialPlan(trial=kind, gap_s=gap) for kind in periodic]
    doubling = [TrialPlan(trial=kind, gap_s=gap, first_gap_s=first) for kind in periodic]
    # What was given a text was asked for by name.
    others = sorted(steady[1:], key=lambda trial: options.text_of(trial.trial) is None)
    idle = TrialPlan(trial="idle")
    essential = [
        idle,
        *steady[:1],
        *(replace(trial, late=True) for trial in doubling[:1]),
        replace(idle, late=True),
        *others,
        *(TrialPlan(trial=kind) for kind in kinds if kind not in periodic),
    ]
    return essential, [*doubling[1:], idle]


def _staggered(trials: list[TrialPlan], options: IdleOptions) -> tuple[TrialPlan, ...]:
    """Starting times: a little apart from each other, the late ones well after the others."""
    apart_s = min(_STAGGER_S, options.first_s / 100)
    late_s = min(3.0, max(0.2, options.first_s / 10))
    return tuple(
        replace(trial, start_s=round(i * apart_s + (late_s if trial.late else 0.0), 6))
        for i, trial in enumerate(trials)
    )
