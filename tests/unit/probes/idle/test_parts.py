"""The pure parts of the idle probe: plan, pace, bookkeeping, stopping, exit code, comparison."""

from __future__ import annotations

import pytest

from tests.unit.judgement.recorded_trials import idle, kept
from wsdiag.judgement.verdict.compare import compare, shared_end_s
from wsdiag.probes.idle.activity import ActivityLog
from wsdiag.probes.idle.keepalives import KeepaliveSchedule
from wsdiag.probes.idle.liveness import RETRY_PINGS, LivenessCheck
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.probes.idle.outcome import idle_exit_code
from wsdiag.probes.idle.plan import idle_periods, plan_refinement, plan_round, thin
from wsdiag.probes.idle.record import late_words
from wsdiag.probes.idle.stop import IdlePeriod, overall_limit_s, settled_by_silence, timeout_so_far
from wsdiag.protocol.events import Pong
from wsdiag.records import Drop, IdleVerdict, Range


def test_the_default_plan_fits_its_budget() -> None:
    plan = plan_round(IdleOptions())
    rungs = [lane.idle_for_s for lane in plan.lanes if lane.idle_for_s is not None]
    assert rungs == [30 + 5 * i for i in range(19)]
    assert len(plan.lanes) + 1 <= 32
    assert plan.notes == ()
    kinds = [lane.trial for lane in plan.lanes]
    assert [kinds.count(kind) for kind in ("ping", "pong", "tcp-keepalive")] == [2, 2, 2]
    assert sum(lane.idle_for_s is None for lane in plan.lanes if lane.trial == "idle") == 3
    assert any(lane.late for lane in plan.lanes if lane.trial == "ping")


@pytest.mark.parametrize("most", range(3, 40))
def test_any_budget_is_kept_and_leaves_idle_and_keepalive(most: int) -> None:
    plan = plan_round(IdleOptions(max_connections=most))
    kinds = {lane.trial for lane in plan.lanes}
    assert len(plan.lanes) + 1 <= most
    assert {"idle"} < kinds
    if most < 26:
        assert plan.notes


def test_required_time_becomes_a_rung() -> None:
    assert 47.0 in idle_periods(IdleOptions(require_s=47.0))
    assert IdleOptions(require_s=300).longest_s == 300


def test_thinning_keeps_the_longest() -> None:
    assert thin([1.0, 2.0, 3.0, 4.0, 5.0], 3) == [1.0, 3.0, 5.0]
    assert thin([1.0, 2.0], 1) == [2.0]


def test_refinement_splits_the_bracket_by_the_second() -> None:
    lanes = plan_refinement(IdleOptions(), 55.0, 60.0).lanes
    assert [lane.idle_for_s for lane in lanes if lane.idle_for_s] == [56, 57, 58, 59]
    assert plan_refinement(IdleOptions(), 55.0, 55.5).lanes == ()


@pytest.mark.parametrize(
    "bad",
    [
        {"from_s": 0},
        {"to_s": 10},
        {"step_s": -1},
        {"max_connections": 2},
        {"trials": ("ping",)},
        {"expect": "x"},
        {"repeat": 0},
        {"pong_timeout_s": 0},
        {"keepalive_s": 0},
    ],
)
def test_senseless_options_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        IdleOptions(**bad)  # type: ignore[arg-type]


def test_doubling_gaps_never_exceed_half_of_the_age() -> None:
    pace = KeepaliveSchedule(20.0, 1.25)
    while pace.due_s < 200:
        pace.sent_at(pace.due_s)
    assert pace.sent[:5] == [1.25, 2.5, 5.0, 10.0, 20.0]
    assert pace.sent[6] - pace.sent[5] == 20
    for age in (3.0, 11.0, 39.0, 100.0):
        before = [at for at in pace.sent if at <= age]
        gaps = [b - a for a, b in zip([0.0, *before], before, strict=False)]
        assert max(gaps) <= age / 2 + 1e-9


def test_a_known_timeout_holds_the_gaps() -> None:
    pace = KeepaliveSchedule(20.0, 1.25)
    while pace.due_s < 15:
        pace.sent_at(pace.due_s)
    pace.hold(15.0)
    assert pace.due_s == 10 + 7.5


def test_notes_tell_idleness_in_both_directions() -> None:
    notes = ActivityLog()
    notes.unasked(10.0, "text")
    notes.mark(12.0, "sent", "ping")
    quiet = notes.at(15.0)
    assert (quiet.idle_s, quiet.since_sent_s, quiet.since_received_s) == (3.0, 3.0, 5.0)
    assert quiet.longest_idle_s == 10.0


def test_what_we_send_proves_nothing_until_something_comes_back() -> None:
    notes = ActivityLog()
    notes.mark(50.0, "sent", "ping")
    assert notes.at(51.0).longest_idle_s == 0.0
    notes.mark(50.1, "received", "pong")
    assert notes.at(51.0).longest_idle_s == 50.0


def test_a_farewell_does_not_restart_the_clock_but_regular_traffic_does() -> None:
    notes = ActivityLog()
    notes.unasked(60.0, "text")
    assert notes.at_end(60.1).idle_s == pytest.approx(60.1)
    regular = ActivityLog()
    for at in range(1, 11):
        regular.unasked(float(at), "ping")
        regular.mark(float(at), "sent", "pong", answer=True)
    assert regular.at_end(10.1).idle_s < 0.2


def test_a_chatterbox_costs_no_memory() -> None:
    notes = ActivityLog()
    for n in range(10_000):
        notes.unasked(n * 0.01, "text")
    assert len(notes.received) <= 64
    assert notes.at(100.0).longest_idle_s == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("rungs", "settled"),
    [
        ([(30, True), (35, False)], False),
        ([(30, True), (35, False), (40, False)], True),
        ([(30, False), (35, True), (40, False)], False),
        ([(35, False), (40, False)], True),
        ([], False),
    ],
)
def test_two_silent_rungs_settle_it(rungs: list[tuple[float, bool]], settled: bool) -> None:
    assert settled_by_silence([IdlePeriod(*rung) for rung in rungs]) is settled


def test_the_first_estimate_prefers_announced_drops() -> None:
    assert timeout_so_far([idle(30.0)]) is None
    assert timeout_so_far([idle(60.0, "fin"), idle(65.0, "rst-on-write")]) == 60
    assert timeout_so_far([idle(65.0, "silent")]) == 65


def test_no_drop_ends_within_the_promise() -> None:
    assert overall_limit_s(120.0) + 0.03 * 28 + 2 < 135


def verdict(kind: str, **facts: object) -> IdleVerdict:
    return IdleVerdict("ws://one.test/", kind, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdicts", "interrupted", "code"),
    [
        ([verdict("no-drop", tested_up_to_s=120.0)], False, 0),
        ([verdict("idle-timeout", drop=Drop("fin", 60.0))], False, 0),
        ([verdict("inconsistent", drop=Drop("fin", 60.0))], False, 0),
        ([verdict("unreachable")], False, 1),
        ([verdict("no-drop", tested_up_to_s=120.0), verdict("unreachable")], False, 1),
        ([verdict("idle-timeout", required_s=60.0, require_ok=False)], False, 3),
        ([verdict("unreachable"), verdict("no-drop", required_s=9.0, require_ok=False)], False, 3),
        ([verdict("kept-busy", tested_up_to_s=2.0, required_s=60.0)], False, 1),
        ([verdict("no-drop", tested_up_to_s=47.0)], True, 0),
        ([verdict("no-drop", tested_up_to_s=47.0, required_s=60.0)], True, 130),
        ([verdict("no-drop", tested_up_to_s=None)], True, 130),
        ([], True, 130),
        ([], False, 1),
    ],
)
def test_exit_code(verdicts: list[IdleVerdict], interrupted: bool, code: int) -> None:
    assert idle_exit_code(verdicts, interrupted=interrupted) == code


def test_edge_and_origin_are_compared_in_words() -> None:
    edge = verdict("idle-timeout", idle_timeout_s=Range(59.9, 60.1), explanation=("x",))
    origin = IdleVerdict("ws://two.test/", "no-drop", tested_up_to_s=120.0, explanation=("y",))
    through, direct = compare([edge, origin])
    assert "most likely" in through.explanation[-1]
    assert "60" in direct.explanation[-1]
    same = IdleVerdict("ws://two.test/", "idle-timeout", idle_timeout_s=Range(59.8, 60.2))
    assert "same time" in compare([edge, same])[0].explanation[-1]
    assert compare([edge]) == [edge]


def test_unrelated_ends_at_one_moment_are_shared() -> None:
    one = [idle(44.0, "rst"), kept("ping", 44.0, "rst")]
    two = [idle(43.0, "fin", started_s=1.0), kept("ping", 43.0, "fin", started_s=1.0)]
    assert shared_end_s([one, two]) == 44.0
    assert shared_end_s([one, [idle(44.0, "rst"), kept("ping", 50.0)]]) is None
    assert shared_end_s([one]) is None


class Asked:
    """A session that only notes what it is asked to send."""

    def __init__(self) -> None:
        self.pings: list[bytes] = []

    def ping(self, payload: bytes) -> None:
        self.pings.append(payload)

    def tcp_info(self) -> None:
        return None


def test_a_question_asked_again_knows_which_ping_was_answered() -> None:
    for answer, lost in ((0, False), (3, True)):
        session = Asked()
        question = LivenessCheck.ask(session, "ping", 1.0, 1.0, "wsdiag 7", None, None)  # type: ignore[arg-type]
        question.again(session, 2.0)  # type: ignore[arg-type]
        assert len(set(session.pings)) == 1 + RETRY_PINGS
        assert not question.hears(Pong(b"wsdiag 70"), 2.1)
        assert question.hears(Pong(session.pings[answer]), 2.2)
        assert (question.lost, question.answered_s) == (lost, 2.2)
        assert question.hears(Pong(session.pings[-1]), 2.3)  # one more, which changes nothing
        assert (question.lost, question.answered_s) == (lost, 2.2)
        assert late_words(question) is not None
