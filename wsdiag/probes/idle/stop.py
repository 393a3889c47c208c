"""When is enough known? Pure decisions on the trials of a round so far; durations in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wsdiag.records import IdleTrial

# Two rungs in a row without an answer: one might have been an accident.
_ENOUGH_SILENT = 2


@dataclass(frozen=True, slots=True)
class IdlePeriod:
    """An idle lane as far as it has come: its idleness, and whether it was answered after it."""

    idle_s: float
    answered: bool


def settled_by_silence(rungs: Sequence[IdlePeriod]) -> bool:
    """Whether the longest periods tried so far all went unanswered, two at least."""
    silent = [rung.idle_s for rung in rungs if not rung.answered]
    answered = [rung.idle_s for rung in rungs if rung.answered]
    if len(silent) < _ENOUGH_SILENT:
        return False
    return max(answered, default=0.0) < min(silent)


def timeout_so_far(trials: Sequence[IdleTrial]) -> float | None:
    """A first estimate of the timeout from idle trials that were dropped; None: none was."""
    events = [t.idle_s for t in trials if _dropped(t) and not t.after_write]
    found = [t.idle_s for t in trials if _dropped(t) and t.after_write]
    times = sorted(s for s in (events or found) if s is not None)
    return times[len(times) // 2] if times else None


def proof_margin_s(timeout_s: float) -> float:
    """How far beyond the timeout a keepalive trial must live to prove anything."""
    return max(1.0, 0.1 * timeout_s)


def proof_limit_s(timeout_s: float) -> float:
    """How long the proof may take at most, once the timeout is known."""
    return max(5.0, 0.25 * timeout_s)


def overall_limit_s(longest_s: float) -> float:
    """When idle trials that traffic kept from their aim are asked as they are."""
    return longest_s + min(5.0, max(0.2, 0.05 * longest_s))


def _dropped(trial: IdleTrial) -> bool:
    return trial.trial == "idle" and trial.outcome in ("dropped", "silent")
