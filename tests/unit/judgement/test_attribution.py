"""The rules of attribution on samples of the kind that real connections gave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.judgement.totals import MS, Fixed, totals_with
from wsdiag.judgement.attribution import Attributor, Baseline, Normal, RoundTrip
from wsdiag.records import Cause

NORMAL = Normal(median_ms=48.0, limit_ms=80.0, tcp_rtt_ms=47.0, http2_ms=1.0)
KNOWN = RoundTrip(
    rtt_ms=348.0,
    clock="kernel",
    tcp_rtt_ms=47.0,
    retransmits=0,
    reordered=0,
    queued_bytes=0,
    acked_ms=47.0,
)
BLIND = RoundTrip(rtt_ms=348.0, clock="kernel", tcp_rtt_ms=47.0, retransmits=0)

CASES: dict[str, tuple[RoundTrip, Cause | None]] = {
    "acknowledged in time, answered late": (KNOWN, "endpoint"),
    "the ACK was held back for 40 ms, as Linux does": (KNOWN._replace(acked_ms=88.0), "endpoint"),
    "retransmitted, and acknowledged only then": (
        KNOWN._replace(retransmits=1, acked_ms=347.0),
        "network",
    ),
    "retransmitted, though not what the Pong waited for": (
        KNOWN._replace(retransmits=1),
        "endpoint",
    ),
    "the peer's segment was lost: a gap was seen": (KNOWN._replace(reordered=1), "network"),
    "in line behind a lost answer": (KNOWN._replace(behind_loss=True), "network"),
    "acknowledged late without retransmission: the path is slow": (
        KNOWN._replace(acked_ms=340.0),
        "network",
    ),
    "acknowledged late, and HTTP/2's PING was answered late as well": (
        KNOWN._replace(acked_ms=340.0, http2_ms=330.0),
        "network",
    ),
    "acknowledged late, while HTTP/2's PING came back in time": (
        KNOWN._replace(acked_ms=340.0, http2_ms=2.0),
        "endpoint",
    ),
    "no ACK was timed, TCP's round trip rose, and HTTP/2's PING came back in time": (
        BLIND._replace(tcp_rtt_ms=97.0, http2_ms=2.0),
        "endpoint",
    ),
    "retransmitted, while HTTP/2's PING, a segment of its own, came back in time": (
        KNOWN._replace(retransmits=1, acked_ms=347.0, http2_ms=2.0),
        "network",
    ),
    "half of the excess before the ACK is not enough beside its delay": (
        KNOWN._replace(rtt_ms=148.0, acked_ms=120.0),
        "endpoint",
    ),
    "behind our own data, whatever else happened": (
        KNOWN._replace(queued_bytes=300_000, retransmits=4),
        "queue",
    ),
    "sent, acknowledged, but the endpoint still had our data to read": (
        KNOWN._replace(backlog_bytes=500_000),
        "queue",
    ),
    "a few Pings in the queue are no queue": (KNOWN._replace(queued_bytes=220), "endpoint"),
    "our own process slept, and the times are its own": (
        KNOWN._replace(clock="user", stalled_ms=290.0),
        "local",
    ),
    "it slept, but the kernel stamped the times": (
        KNOWN._replace(clock="kernel", stalled_ms=290.0),
        "endpoint",
    ),
    "it slept for a moment only": (KNOWN._replace(clock="user", stalled_ms=20.0), "endpoint"),
    "right after a loss, a lost answer looks like a busy endpoint": (
        KNOWN._replace(after_loss=True),
        None,
    ),
    "right after a loss, there is evidence of another": (
        KNOWN._replace(after_loss=True, reordered=1),
        "network",
    ),
    "no acknowledgement times, nothing else unusual": (BLIND, "endpoint"),
    "no acknowledgement times, retransmitted": (BLIND._replace(retransmits=2), "network"),
    "no acknowledgement times, TCP's own round trip rose by an eighth of it": (
        BLIND._replace(tcp_rtt_ms=47.0 + 300 / 8),
        "network",
    ),
    "no acknowledgement times, it rose by a held back ACK's worth": (
        BLIND._replace(tcp_rtt_ms=47.0 + 40 / 8),
        "endpoint",
    ),
    "loopback has no path to be slow, whenever the ACK came": (
        KNOWN._replace(acked_ms=340.0, loopback=True),
        "endpoint",
    ),
    "nor without acknowledgement times": (
        BLIND._replace(tcp_rtt_ms=200.0, loopback=True),
        "endpoint",
    ),
    "but what is lost there is lost": (
        KNOWN._replace(acked_ms=340.0, retransmits=1, loopback=True),
        "network",
    ),
    "a Unix socket has no network": (RoundTrip(rtt_ms=348.0, tcp=False), "endpoint"),
    "behind a proxy the way on may have been slow": (KNOWN._replace(proxied=True), None),
    "nor is a proxy on this machine an endpoint": (
        KNOWN._replace(proxied=True, loopback=True),
        None,
    ),
    "but HTTP/2's PING comes through a proxy": (
        KNOWN._replace(proxied=True, http2_ms=2.0),
        "endpoint",
    ),
    "a slow way to the proxy is the network's": (
        KNOWN._replace(proxied=True, acked_ms=340.0),
        "network",
    ),
    "nothing known, nothing claimed": (RoundTrip(rtt_ms=348.0), None),
    "not an outlier": (KNOWN._replace(rtt_ms=79.0, retransmits=3, queued_bytes=10**6), None),
}


def cause_of(trip: RoundTrip, normal: Normal | None) -> Cause | None:
    """The cause of the first round trip of a run in which that is normal."""
    return Attributor(Fixed(normal)).add(trip, 0)


@pytest.mark.parametrize("name", CASES)
def test_each_situation_has_its_cause(name: str) -> None:
    facts, cause = CASES[name]
    assert cause_of(facts, NORMAL) == cause


def test_without_a_baseline_there_is_no_cause() -> None:
    assert cause_of(KNOWN, None) is None


@given(st.floats(0, 80), st.integers(0, 9), st.integers(0, 10**7), st.floats(0, 1e5))
def test_a_usual_round_trip_never_has_a_cause(
    rtt: float, retransmits: int, queued: int, stalled: float
) -> None:
    facts = RoundTrip(rtt, retransmits=retransmits, queued_bytes=queued, stalled_ms=stalled)
    assert cause_of(facts, NORMAL) is None


def baseline_of(*round_trips: float) -> Baseline:
    baseline = Baseline()
    for rtt in round_trips:
        baseline.add(rtt)
    return baseline


def test_a_baseline_wants_three_samples() -> None:
    assert baseline_of(48, 49).normal() is None
    assert baseline_of(48, 49, 50).normal() is not None


def test_ordinary_jitter_on_a_quick_path_is_no_outlier() -> None:
    normal = baseline_of(*[0.2, 0.3, 0.4, 0.9, 3.0] * 20).normal()
    assert normal is not None
    assert normal.limit_ms >= 20


def test_a_wide_spread_needs_more_to_stand_out() -> None:
    steady = baseline_of(*[48.0, 48.5, 49.0, 49.5] * 20).normal()
    shaky = baseline_of(*[30.0, 40.0, 50.0, 60.0, 90.0] * 20).normal()
    assert steady is not None
    assert shaky is not None
    assert steady.limit_ms < 80 < shaky.limit_ms


def test_forty_percent_of_outliers_do_not_move_the_limit_beyond_themselves() -> None:
    normal = baseline_of(*[48.0, 48.2, 49.0, 350.0, 400.0] * 30).normal()
    assert normal is not None
    assert normal.median_ms == 49.0
    assert normal.limit_ms < 350


def test_a_new_normal_is_found_and_memory_is_bounded() -> None:
    baseline = baseline_of(*[20.0] * 1000, *[80.0] * 300)
    normal = baseline.normal()
    assert normal is not None
    assert normal.median_ms == 80.0
    assert len(baseline._rtts.ordered) == len(baseline._rtts._recent) == 300


def test_answers_that_come_in_one_burst_with_a_repaired_loss_share_its_cause() -> None:
    found = totals_with(*[48.0] * 20).attributor
    arrived = 30_000 * MS
    found.add(RoundTrip(400.0, retransmits=1), arrived)
    follower = RoundTrip(300.0, retransmits=0, acked_ms=48.0)
    assert found.add(follower, arrived + MS // 2) == "network"
    assert found.add(follower, arrived + 50 * MS) is None
    for number in range(5):
        found.add(RoundTrip(48.0, retransmits=0), (31 + number) * 1000 * MS)
    assert found.add(follower, 40_000 * MS) == "endpoint"
