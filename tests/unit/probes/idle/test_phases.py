"""The table of a trial's phases: where it can go from where, and that it comes to an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.idle import phases
from wsdiag.probes.idle.phases import OPEN_PHASES, TRANSITIONS, TrialEvent, TrialPhase

DONE = TrialPhase.DONE


def reachable(start: TrialPhase) -> set[TrialPhase]:
    found, todo = {start}, [start]
    while todo:
        here = todo.pop()
        for (phase, _), to in TRANSITIONS.items():
            if phase is here and to not in found:
                found.add(to)
                todo.append(to)
    return found


def test_every_phase_is_reached_and_leads_to_done() -> None:
    assert reachable(TrialPhase.DIALING) == set(TrialPhase)
    for phase in TrialPhase:
        assert DONE in reachable(phase)


def test_every_event_is_used_and_nothing_leaves_done() -> None:
    assert {event for _, event in TRANSITIONS} == set(TrialEvent)
    assert not [phase for phase, _ in TRANSITIONS if phase is DONE]


def test_an_end_or_a_broken_rule_ends_every_open_phase() -> None:
    assert set(TrialPhase) - OPEN_PHASES == {TrialPhase.DIALING, DONE}
    for phase in OPEN_PHASES:
        assert TRANSITIONS[phase, TrialEvent.ENDED] is DONE
        assert TRANSITIONS[phase, TrialEvent.VIOLATED] is DONE


def test_an_event_always_means_the_same() -> None:
    """What a trial does depends on the event alone, so none may both end it and go on."""
    for event in TrialEvent:
        to = {to for (_, e), to in TRANSITIONS.items() if e is event}
        assert to == {DONE} or DONE not in to


def test_there_is_no_way_around_but_by_keepalives() -> None:
    """Only keepalives go on for ever; a trial that is being checked comes to its end."""
    for phase in (TrialPhase.CHECKING, TrialPhase.RETRYING, TrialPhase.WAITING_FOR_LATE_PONG):
        for (start, _), to in TRANSITIONS.items():
            assert start is not phase or phase not in reachable(to)


@given(st.lists(st.sampled_from(TrialEvent), max_size=40))
def test_any_events_lead_on_to_done_or_leave_it_waiting(events: list[TrialEvent]) -> None:
    phase = TrialPhase.DIALING
    for event in events:
        phase = TRANSITIONS.get((phase, event), phase)
    assert phase is DONE or DONE in reachable(phase)
    assert (phase in OPEN_PHASES) is ((phase, TrialEvent.ENDED) in TRANSITIONS)


def test_each_phase_and_event_is_in_the_drawing() -> None:
    drawing = phases.__doc__ or ""
    for name in (*TrialPhase.__members__, *TrialEvent.__members__):
        assert name in drawing
