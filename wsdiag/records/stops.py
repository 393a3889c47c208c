"""What a summary says of the time for which wsdiag's own process was stopped."""

from __future__ import annotations

from typing import Annotated

from wsdiag.units import format_duration, times

Stops = Annotated[int | None, "Times that wsdiag itself was stopped (SIGSTOP, Ctrl-Z)"]
StoppedSeconds = Annotated[
    float | None, "How long these took together, in seconds: that time is not counted"
]


def stopped_sentence(stops: int | None, stopped_s: float | None) -> str | None:
    """For people; None where it ran all the time."""
    if not stops or stopped_s is None:
        return None
    took = format_duration(stopped_s)
    return f"wsdiag itself was stopped for {took} ({times(stops)}): that time is not counted."
