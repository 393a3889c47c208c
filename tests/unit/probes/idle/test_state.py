"""What a trial does next, without a socket: its state is given events and moments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.idle.context import EndpointFacts
from wsdiag.probes.idle.keepalives import BEHAVIOURS
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.phases import TRANSITIONS, TrialEvent, TrialPhase
from wsdiag.probes.idle.plan import TrialPlan, plan_round
from wsdiag.probes.idle.record import trial_record
from wsdiag.probes.idle.state import ACK_WAIT_S, Finish, LivenessCheck, TrialState
from wsdiag.protocol.events import Ping, Pong, TextMessage
from wsdiag.records import Drop, TrialKind

E = TrialEvent


class Driven:
    """A state, and what `Trial` would do with it; its clock stands still between the steps."""

    def __init__(
        self,
        trial: TrialKind = "idle",
        *,
        answers_pings: bool | None = True,
        acknowledged: bool | None = False,
        **plan: float,
    ) -> None:
        self.facts = EndpointFacts(IdleOptions(), answers_pings)
        self.state = TrialState(TrialPlan(trial=trial, **plan), 7, self.facts)  # type: ignore[arg-type]
        self.acknowledged = acknowledged
        self.now_s = 0.0
        self.go(E.OPENED)

    @property
    def done(self) -> bool:
        return self.state.phase is TrialPhase.DONE

    @property
    def due_s(self) -> float | None:
        return self.state.due_s(self.state.activity.last_byte_s)

    def event(self, now_s: float) -> TrialEvent | None:
        self.now_s = now_s
        return self.state.event(now_s, self.state.activity.last_byte_s, lambda: self.acknowledged)

    def step(self, now_s: float) -> list[TrialEvent]:
        """Everything that is due at that moment, done."""
        events = []
        while not self.done and (event := self.event(now_s)) is not None:
            events.append(event)
            self.go(event)
            assert len(events) < 9, events
        return events

    def go(self, event: TrialEvent) -> None:
        state, now_s = self.state, self.now_s
        state.phase = TRANSITIONS[state.phase, event]
        if event is E.CHECK_DUE:
            state.check = LivenessCheck(now_s, now_s - state.activity.last_byte_s, b"wsdiag 7")
        elif event is E.KEEPALIVE_DUE and state.schedule is not None:
            state.schedule.sent.append(now_s)
            if BEHAVIOURS[state.plan.trial].needs_answer:
                state.unanswered[b"%d" % len(state.schedule.sent)] = now_s
        elif event is E.ACKNOWLEDGED and state.check is not None:
            state.check.retried_s = now_s
        elif event is E.ACKNOWLEDGED:
            state.retried_s = now_s
            state.unanswered[b"retry"] = now_s
        if event in (E.CHECK_DUE, E.KEEPALIVE_DUE, E.ACKNOWLEDGED):
            state.activity.add(now_s, "sent")


def test_an_idle_period_ends_with_a_check_that_is_answered() -> None:
    trial = Driven(idle_for_s=30.0)
    assert trial.due_s == 30.0
    assert trial.step(29.9) == []
    assert trial.step(30.0) == [E.CHECK_DUE]
    assert trial.due_s == 40.0
    trial.state.received(Pong(b"wsdiag 7"), 30.1)
    assert trial.step(30.1) == [E.ANSWERED]
    assert trial.done
    assert trial.facts.rtt_s == pytest.approx(0.1)


def test_traffic_starts_the_idle_period_anew() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.state.received(TextMessage("tick"), 20.0)
    assert trial.due_s == 50.0
    assert trial.step(49.0) == []
    assert trial.state.activity.unsolicited == [(20.0, "text")]


def test_silence_waits_for_a_late_pong_and_stays_silence() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.step(30.0)
    assert trial.step(40.0) == [E.UNANSWERED]
    assert trial.state.phase is TrialPhase.WAITING_FOR_LATE_PONG
    assert trial.due_s == 45.0
    trial.state.received(Pong(b"wsdiag 7"), 43.0)
    assert trial.step(43.0) == [E.LATE_PONG]
    assert trial.done
    assert trial_record(trial.state, "", "silent", 30.0).late_pong_s == 13.0


def test_what_tcp_acknowledged_is_asked_again() -> None:
    trial = Driven(idle_for_s=30.0, acknowledged=True)
    trial.step(30.0)
    assert trial.step(40.0) == [E.ACKNOWLEDGED]
    assert trial.state.phase is TrialPhase.RETRYING
    assert trial.step(44.9) == []
    trial.state.received(Pong(b"wsdiag 7+3"), 44.9)
    assert trial.step(44.9) == [E.ANSWERED]
    record = trial_record(trial.state, "", "alive", 44.9)
    assert (record.outcome, record.lost_pongs, record.longest_idle_s) == ("alive", 1, 30.0)


def test_asked_twice_in_vain_is_silent() -> None:
    trial = Driven(idle_for_s=30.0, acknowledged=True)
    events = [event for at_s in (30.0, 40.0, 45.0, 50.0) for event in trial.step(at_s)]
    assert events == [E.CHECK_DUE, E.ACKNOWLEDGED, E.UNANSWERED, E.SILENT]
    assert trial.done


@pytest.mark.parametrize(
    ("acknowledged", "last"),
    [(True, E.NO_PONG_EXPECTED), (None, E.NO_PONG_EXPECTED), (False, E.SILENT)],
)
def test_without_pongs_tcp_is_the_judge(acknowledged: bool | None, last: TrialEvent) -> None:
    trial = Driven(idle_for_s=30.0, answers_pings=False, acknowledged=acknowledged)
    trial.step(30.0)
    assert trial.due_s == 30.0 + ACK_WAIT_S
    assert trial.step(33.0) == [last]
    assert trial.done


def test_a_ping_sent_before_the_endpoint_was_known_to_answer_none_proves_nothing_by_silence() -> (
    None
):
    trial = Driven(idle_for_s=5.0, answers_pings=None, acknowledged=True)
    trial.step(5.0)
    trial.facts.answers_pings, trial.facts.echoes = False, True
    assert trial.step(8.0) == [E.NO_PONG_EXPECTED]


def test_a_keepalive_without_its_pong_is_retried_then_silent() -> None:
    trial = Driven("ping", gap_s=20.0, acknowledged=True)
    assert trial.step(20.0) == [E.KEEPALIVE_DUE]
    assert trial.step(30.0) == [E.ACKNOWLEDGED]
    assert trial.state.phase is TrialPhase.RETRYING_KEEPALIVE
    assert trial.step(35.0) == [E.SILENT]
    assert trial.done


def test_an_unanswered_ping_counts_though_a_check_came_after_it() -> None:
    trial = Driven("ping", gap_s=20.0)
    trial.step(20.0)
    trial.state.finish = Finish(check=True, wait_s=1.0)
    trial.step(22.2)
    trial.step(23.3)
    assert trial.done
    record = trial_record(trial.state, "ws://x", "silent", 20.0, drop=Drop("silent", 20.0))
    assert record.idle_s == pytest.approx(20.0)


def test_a_retry_that_is_answered_goes_on_though_a_newer_ping_is_on_its_way() -> None:
    trial = Driven("ping", gap_s=20.0, acknowledged=True)
    trial.step(20.0)
    trial.step(30.0)
    assert trial.step(40.0 - 7.0) == []
    trial.state.unanswered[b"newer"] = 33.0
    trial.state.received(Pong(b"retry"), 34.0)
    assert trial.step(34.0) == [E.KEEPALIVE_ANSWERED]
    assert trial.state.phase is TrialPhase.WAITING
    assert trial.state.lost_pongs == 1
    assert trial.step(36.0) == []


def test_missing_pongs_mean_nothing_before_any_was_seen() -> None:
    trial = Driven("ping", gap_s=20.0, answers_pings=None)
    trial.step(20.0)
    assert trial.step(39.0) == []
    assert trial.due_s == 40.0


def test_a_pong_of_the_endpoints_own_is_unsolicited_and_a_ping_is_answered() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.state.received(Pong(b"heartbeat"), 3.0)
    trial.state.received(Ping(b""), 4.0)
    assert trial.state.activity.unsolicited == [(3.0, "pong"), (4.0, "ping")]
    times = trial.state.activity.at(6.0)
    assert (times.since_sent_s, times.since_received_s) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("finish", "first", "then"),
    [
        (Finish(False, 0.0), E.STOPPED, None),
        (Finish(True, float("inf")), E.CHECK_DUE, E.SILENT),
        (Finish(True, 2.0), E.CHECK_DUE, E.CUT_SHORT),
    ],
)
def test_the_round_ends_a_trial(finish: Finish, first: TrialEvent, then: TrialEvent | None) -> None:
    trial = Driven("pong", gap_s=20.0)
    trial.state.finish = finish
    assert trial.step(5.0) == [first]
    assert trial.step(15.0) == ([] if then is None else [then])
    assert trial.done


def test_an_end_comes_before_everything_else() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.state.drop = Drop("fin", 29.0)
    trial.state.finish = Finish(True, 2.0)
    assert trial.step(31.0) == [E.ENDED]
    trial = Driven(idle_for_s=30.0)
    trial.state.violation = "RSV1 set"
    assert trial.step(1.0) == [E.VIOLATED]


def test_a_pong_cannot_come_before_the_end_of_a_message_that_is_arriving() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.step(30.0)
    trial.state.part_received(39.0)
    assert trial.step(40.0) == [E.NO_PONG_EXPECTED]
    trial = Driven("ping", gap_s=20.0, acknowledged=True)
    trial.step(20.0)
    trial.state.part_received(29.0)
    assert trial.step(38.9) == []
    assert trial.step(39.0) == [E.ACKNOWLEDGED]
    trial.state.part_received(43.0)
    assert trial.step(47.9) == [E.KEEPALIVE_DUE]
    assert trial.step(48.0) == [E.SILENT]


def test_what_was_on_its_way_when_the_check_left_proves_no_life() -> None:
    trial = Driven(idle_for_s=30.0)
    trial.step(30.0)
    trial.state.part_received(30.02)
    assert trial.step(40.0) == [E.UNANSWERED]


PLANS = [*plan_round(IdleOptions(send="x", push="y")).trials]


@given(
    st.sampled_from(PLANS),
    st.sampled_from([True, False, None]),
    st.sampled_from([True, False, None]),
    st.lists(
        st.tuples(
            st.floats(0.01, 40.0),
            st.sampled_from(
                ["pong", "retry", "text", "part", "nothing", "finish", "hurry", "stop"]
            ),
        ),
        max_size=12,
    ),
)
def test_whatever_happens_a_trial_ends_or_knows_what_it_waits_for(
    plan: TrialPlan,
    answers_pings: bool | None,
    acknowledged: bool | None,
    story: list[tuple[float, str]],
) -> None:
    trial = Driven(plan.trial, answers_pings=answers_pings, acknowledged=acknowledged)
    trial.state = state = TrialState(plan, 7, trial.facts)
    trial.go(E.OPENED)
    now_s = 0.0
    for after_s, what in story:
        now_s += after_s
        if what in ("pong", "retry"):
            payloads = [b"wsdiag 7" if what == "pong" else b"wsdiag 7+1", *state.unanswered]
            state.received(Pong(payloads[-1] if state.check is None else payloads[0]), now_s)
        elif what == "text":
            state.received(TextMessage("x"), now_s)
        elif what == "part":
            state.part_received(now_s)
        elif what != "nothing":
            state.finish = Finish(what != "stop", {"hurry": 2.0}.get(what, float("inf")))
        trial.step(now_s)
        due_s = trial.due_s
        assert trial.done or due_s is None or due_s > now_s - 0.001
    if not trial.done:
        state.finish = state.finish or Finish(True, float("inf"))
        trial.step(now_s)
        for _ in range(4):
            if not trial.done and trial.due_s is not None:
                trial.step(max(now_s, trial.due_s))
    assert trial.done


def ended_after_its_check(drop: Drop, answers_pings: bool | None) -> TrialState:
    """An idle trial that asked at 1.5 s and got no answer, and whose connection ended so."""
    driven = Driven("idle", answers_pings=answers_pings, idle_for_s=1.5)
    driven.now_s = 1.5
    driven.go(E.CHECK_DUE)
    driven.state.drop = drop
    return driven.state


@pytest.mark.parametrize("answers_pings", [None, False])
def test_an_end_long_after_a_check_at_a_mute_endpoint_counts_from_the_check(
    answers_pings: bool | None,
) -> None:
    state = ended_after_its_check(Drop("fin", 4.0), answers_pings)
    assert state.outlived_check
    made = trial_record(state, "ws://a.test/", "dropped", 4.0, drop=state.drop)
    assert (made.idle_s, made.after_write) == (2.5, False)


@pytest.mark.parametrize(
    ("drop", "answers_pings"),
    [(Drop("fin", 4.0), True), (Drop("fin", 1.6), None), (Drop("rst", 4.0), None)],
    ids=["an endpoint that answers others", "at once", "a reset"],
)
def test_otherwise_such_a_connection_was_found_dead(drop: Drop, answers_pings: bool | None) -> None:
    state = ended_after_its_check(drop, answers_pings)
    assert not state.outlived_check
    made = trial_record(state, "ws://a.test/", "dropped", drop.at_s, drop=drop)
    assert (made.idle_s, made.after_write) == (1.5, True)
