"""Timers beside an idle timeout of the server: a maximum lifetime, and a timer of the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wsdiag.judgement.recorded.moments import of_one_clock
from wsdiag.judgement.recorded.trials import Change, Recorded
from wsdiag.records.explain import ExplainVerdict


def lifetime(
    base: ExplainVerdict, aged: Sequence[Recorded], changes: dict[int, Change]
) -> ExplainVerdict:
    """Connections that ended at one age while they were in use."""
    from wsdiag.judgement.recorded.ages import age_span, by_age
    from wsdiag.records import Range

    ages_s = [e.age_s for e in aged]
    low, high = min(ages_s), max(ages_s)
    for entry in aged:
        said = f"{len(aged)} connections to this endpoint ended at the same age, while in use."
        changes[entry.number] = Change("lifetime", said)
    return replace(
        base,
        verdict="lifetime",
        lifetime_s=Range(round(low, 2), round(high, 2)),
        drop=next((e.trial.drop for e in aged if e.trial is not None), None),
        candidates=tuple(by_age(low, high, "lifetime")),
        explanation=(
            f"{len(aged)} connections ended {age_span(low, high)} after their opening while they "
            "were in use: a maximum lifetime, or a timer that their bytes do not restart.",
        ),
        advice=("Reconnect when the connection ends: no keepalive prevents it.",),
    )


def client_side(entries: Sequence[Recorded]) -> tuple[Sequence[Recorded], list[str]]:
    """Ends by the client's side after one idleness: a proxy's timer, where a proxy stands there,
    so that each is a trial that was dropped; else somebody's timer, and that is said."""
    left = [e for e in entries if e.left is not None and e.trial is not None]
    timed = of_one_clock(left)
    if not timed:
        return entries, []
    if not all(e.forwarded for e in timed):
        idle_s = min(e.left.idle_s or 0.0 for e in timed if e.left is not None)
        return entries, [
            f"{len(timed)} connections were ended from the client's side after the same idleness, "
            f"about {idle_s:.1f} s: a timer of the client, or of a proxy before the server that "
            "does not show in the recording."
        ]
    numbers = {e.number for e in timed}
    dropped = [replace(e, trial=e.left) if e.number in numbers else e for e in entries]
    said = (
        "They were ended from the client's side, by a proxy there that had passed on the request."
    )
    return dropped, [said]
