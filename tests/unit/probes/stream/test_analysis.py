"""The analysis, fed with messages at made-up times."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Iterable
from typing import Any

import pytest

from wsdiag.probes.stream.analysis import StreamAnalysis
from wsdiag.probes.stream.events import OutageFacts
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.records import Drop
from wsdiag.records.stream import StreamEvent

WALL_S = 1_767_225_600.0


class Feed:
    """A stream in made-up time: messages as they are sent, Pings answered or not, ticks between."""

    def __init__(self, **options: Any) -> None:
        self.analysis = StreamAnalysis("ws://feed", StreamOptions(**options))
        self.now_s = 1000.0
        self.answers = self.acknowledges = True
        self.stalled_s = 0.0
        self.events: list[StreamEvent] = []
        self.analysis.opened(self.now_s)

    def until(self, end_s: float, messages: Iterable[tuple[float, str]] = ()) -> None:
        """Let time pass up to `end_s` since the beginning, with messages at their times."""
        due = sorted((1000.0 + at_s, text) for at_s, text in messages)
        while self.now_s < 1000.0 + end_s:
            self.now_s = round(self.now_s + 0.1, 6)
            while due and due[0][0] <= self.now_s:
                at_s, text = due.pop(0)
                self.analysis.message(text, at_s, WALL_S + at_s)
            self.analysis.pings.acknowledged(self.acknowledges, self.now_s)
            if self.analysis.tick(self.now_s, WALL_S + self.now_s, self.stalled_s):
                payload = str(self.now_s).encode()
                self.analysis.pings.left(payload, self.now_s)
                if self.answers:
                    self.analysis.pings.came(payload, 0.01)
            self.events += self.analysis.take_events()

    def kinds(self) -> list[str]:
        return [event.event for event in self.events]


def regular(begin_s: float, end_s: float, every_s: float = 0.1) -> list[tuple[float, str]]:
    count = int((end_s - begin_s) / every_s)
    return [(begin_s + number * every_s, "x" * 50) for number in range(count)]


def test_a_regular_feed_has_no_events() -> None:
    feed = Feed()
    feed.until(60, regular(0, 60))
    assert feed.kinds() == []
    summary = feed.analysis.summary(feed.now_s)
    assert summary.messages == 600
    assert summary.rate == pytest.approx(10, rel=0.02)
    assert summary.interarrival is not None
    assert summary.interarrival.p50_ms == pytest.approx(100, rel=0.02)


def test_a_random_feed_has_hardly_any() -> None:
    source = random.Random(7)
    at_s, messages = 0.0, []
    while at_s < 200:
        at_s += source.expovariate(5.0)
        messages.append((at_s, "x"))
    feed = Feed()
    feed.until(200, messages)
    assert len([kind for kind in feed.kinds() if kind != "resumed"]) <= 2


def test_a_mute_feed_is_told_with_its_cause_and_its_end() -> None:
    feed = Feed()
    feed.until(40, [*regular(0, 10), *regular(30, 40)])
    assert feed.kinds() == ["silence", "mute", "resumed"]
    silence, mute, resumed = feed.events
    assert silence.cause == mute.cause == resumed.cause == "feed"
    assert mute.pings_answered is not None
    assert mute.pings_answered >= 2
    assert resumed.silent_s == pytest.approx(20.1, abs=0.05)
    summary = feed.analysis.summary(feed.now_s)
    assert (summary.silences, summary.mutes, summary.causes) == (1, 1, {"feed": 1})


@pytest.mark.parametrize(("acknowledges", "cause"), [(False, "network"), (True, "endpoint")])
def test_unanswered_pings_are_no_mute_feed(acknowledges: bool, cause: str) -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    feed.answers, feed.acknowledges = False, acknowledges
    feed.until(30)
    assert feed.kinds() == ["silence"]
    assert feed.events[0].cause == cause


def test_a_ping_that_left_before_the_last_message_tells_nothing() -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    pings = feed.analysis.pings
    pings.left(b"acknowledged, and then the path died", feed.now_s - 0.15)
    pings.acknowledged(True, feed.now_s)
    feed.answers = feed.acknowledges = False
    feed.until(20)
    assert [event.cause for event in feed.events] == ["network"]


def test_a_ping_that_was_answered_before_all_stopped_tells_nothing_of_the_silence() -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    pings = feed.analysis.pings
    pings.left(b"answered at once", feed.now_s)
    pings.came(b"answered at once", 0.01)
    feed.answers = False
    feed.until(20)
    assert [event.cause for event in feed.events] == ["endpoint"]


def test_a_ping_that_just_left_is_not_held_against_the_path() -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    pings = feed.analysis.pings
    pings.left(b"acknowledged, and not answered", feed.now_s)
    pings.was_acknowledged(b"acknowledged, and not answered", feed.now_s)
    feed.answers = feed.acknowledges = False
    feed.until(20)
    assert [event.cause for event in feed.events] == ["endpoint"]


def test_a_late_acknowledgement_makes_it_no_endpoints_silence() -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    feed.answers = feed.acknowledges = False
    feed.until(15)
    feed.acknowledges = True  # the path lives again, and the Pong is still on its way
    feed.until(15.5)
    feed.until(16, [(15.7, "x")])
    assert [event.cause for event in feed.events] == ["network", "network"]


def test_behind_a_proxy_an_acknowledgement_says_nothing_of_the_endpoint() -> None:
    feed = Feed()
    feed.analysis.pings.proxied = True
    feed.until(10, regular(0, 10))
    feed.answers = False
    feed.until(30)
    assert feed.kinds() == ["silence"]
    assert feed.events[0].cause is None
    assert "TCP ends at the proxy" in feed.events[0].message


def test_a_process_that_did_not_run_blames_itself() -> None:
    feed = Feed()
    feed.until(10, regular(0, 10))
    feed.answers, feed.stalled_s = False, 5.0
    feed.until(14)
    assert [event.cause for event in feed.events] == ["local"]


def test_what_is_read_after_a_stop_of_our_own_is_neither_a_burst_nor_a_silence() -> None:
    feed = Feed(max_silence_s=2.0)
    feed.until(10, regular(0, 10))
    feed.analysis.arrivals.stalled_s = lambda _at_s: 5.0
    feed.stalled_s = 5.0
    feed.until(20, [*((15.0, "x") for _ in range(50)), *regular(15.1, 20)])
    assert "burst" not in feed.kinds()
    summary = feed.analysis.summary(feed.now_s, stops=1, stopped_s=5.0)
    assert summary.longest_silence_s == pytest.approx(0.1, abs=0.05)
    assert [limit.ok for limit in summary.thresholds] == [True]
    assert summary.explanation[0] == (
        "wsdiag itself was stopped for 5 s (once): that time is not counted."
    )


def test_a_feed_that_never_begins_is_mute_too() -> None:
    feed = Feed()
    feed.until(20)
    assert feed.kinds() == ["silence", "mute"]
    sentence = feed.analysis.summary(feed.now_s).explanation[0]
    assert "No message came in 20 s, although" in sentence


def test_a_pause_that_is_made_up_for_at_once_is_a_burst() -> None:
    held = [(15.0 + number * 0.0001, "x") for number in range(50)]
    feed = Feed()
    feed.until(20, [*regular(0, 10), *held, *regular(15.1, 20)])
    assert feed.kinds() == ["silence", "mute", "resumed", "burst"]
    burst = feed.events[-1]
    assert burst.messages == pytest.approx(50, abs=2)
    assert burst.silent_s == pytest.approx(5.1, abs=0.05)


@pytest.mark.parametrize("every_s", [0.001, 0.1])
def test_a_feed_that_goes_on_after_a_pause_has_no_burst(every_s: float) -> None:
    feed = Feed()
    feed.until(10, [*regular(0, 4, every_s), *regular(7, 10, every_s)])
    assert "burst" not in feed.kinds()
    assert "resumed" in feed.kinds()


def test_bursts_alone_are_found_from_the_first_on() -> None:
    bursts = [(5.0 * each + 0.0001 * n, "x") for each in range(1, 5) for n in range(50)]
    feed = Feed()
    feed.until(22, bursts)
    assert feed.kinds().count("burst") == 3


def numbered(key: str, seq: int, at_s: float) -> tuple[float, str]:
    return at_s, json.dumps({"k": key, "seq": seq, "t": WALL_S + 1000.0 + at_s - 0.25})


def test_keys_have_numbers_and_lags_of_their_own() -> None:
    feed = Feed(by="$.k", seq="$.seq", time="$.t")
    btc = [numbered("btc", n, n / 10) for n in range(1, 50) if n not in (20, 21)]
    eth = [numbered("eth", n, n / 10 + 0.01) for n in range(1, 50)]
    feed.until(5, [*btc, *eth, (4.0, "no json"), (4.1, '{"k":"btc"}')])
    assert feed.kinds() == ["gap"]
    assert feed.events[0].key == "btc"
    assert feed.events[0].missing == 2
    summary = feed.analysis.summary(feed.now_s)
    assert summary.not_json == 1
    assert summary.gaps is not None
    assert (summary.gaps.missing, summary.gaps.unnumbered) == (2, 2)
    assert summary.keys is not None
    assert [(one.key, one.gaps and one.gaps.missing) for one in summary.keys] == [
        ("eth", 0),
        ("btc", 2),
    ]
    assert summary.lag is not None
    assert summary.lag.p50_ms == pytest.approx(250, rel=0.02)
    assert any("clock" in sentence for sentence in summary.explanation)


def test_a_message_that_is_not_kept_whole_is_counted_and_not_looked_into() -> None:
    feed = Feed(by="$.k", seq="$.seq", time="$.t")
    cut = 2**20
    for n in range(1, 51):
        for at_s, text in (numbered("btc", n, n / 10), numbered("eth", n, n / 10 + 0.01)):
            dropped = cut if (n, "btc" in text) in ((20, True), (50, False)) else 0
            feed.analysis.message(text, 1000 + at_s, WALL_S + 1000 + at_s, dropped)
    summary = feed.analysis.summary(1006.0)
    assert feed.analysis.take_events() == []
    assert (summary.messages, summary.too_large, summary.not_json) == (100, 2, 0)
    assert summary.bytes > 2 * cut
    assert summary.sizes is not None
    assert (summary.sizes.max or 0) > cut
    assert summary.gaps is not None
    assert (summary.gaps.missing, summary.gaps.unnumbered) == (0, 2)
    assert summary.lag is not None
    assert summary.lag.untimed == 0
    assert summary.keys is not None
    assert [one.messages for one in summary.keys] == [49, 49]
    assert [s for s in summary.explanation if "1 MiB" in s] == [
        "2 messages of over 1 MiB were counted, but not looked into: of numbers that were left "
        "out there, as many are taken for theirs."
    ]


def test_where_nothing_is_looked_into_nothing_is_said_of_fields() -> None:
    feed = Feed(seq="$.seq", by="$.k", time="$.t")
    for n in range(3):
        feed.analysis.message('{"seq":1,', 1000.0 + n, WALL_S + n, 2**20)
    (said,) = feed.analysis.summary(1003.0).explanation[:1]
    assert said.startswith("3 messages of over 1 MiB were counted, but not looked into")
    assert not any("$." in each for each in feed.analysis.summary(1003.0).explanation)


def test_beginnings_that_are_the_same_are_not_one_message_again() -> None:
    feed = Feed()
    for n in range(9):
        feed.analysis.message("same", 1000.0 + 2 * n, WALL_S, 2**20)
    assert not any("no other" in each for each in feed.analysis.summary(1018.0).explanation)


def test_what_was_missed_while_away_is_told_by_key() -> None:
    feed = Feed(by="$.k", seq="$.seq")
    feed.until(5, [numbered(key, n, n / 10) for n in range(1, 40) for key in ("btc", "eth")])
    feed.analysis.closed(feed.now_s, WALL_S)
    feed.now_s += 4.2
    feed.analysis.opened(feed.now_s)
    assert feed.analysis.awaits_numbers()
    feed.until(11, [numbered("btc", 357, 10), numbered("eth", 40, 10)])
    feed.analysis.outage(OutageFacts(WALL_S, 4.2, 2, None, 0.1, over=True))
    (outage,) = feed.analysis.take_events()
    assert outage.missed == {"btc": 317, "eth": 0}
    assert "away 4.2 s, 2 attempts, 317 messages missed on btc, 0 on eth" in outage.message


def test_limits_hold_or_not() -> None:
    feed = Feed(seq="$.seq", max_gap=0, max_silence_s=3.0, min_rate=5.0)
    feed.until(10, [numbered("a", n, n / 10) for n in range(1, 60) if n != 7])
    held = {limit.name: limit.ok for limit in feed.analysis.summary(feed.now_s).thresholds}
    assert held == {"max-silence": False, "max-gap": False, "min-rate": True}


def test_memory_does_not_grow_with_messages_or_keys() -> None:
    analysis = StreamAnalysis(
        "ws://feed", StreamOptions(by="$.k", seq="$.s", time="$.t", most_keys=20)
    )
    analysis.opened(0.0)

    def feed(begin: int, count: int) -> None:
        source = random.Random(begin)
        for number in range(begin, begin + count):
            at_s = number * 0.01
            text = f'{{"k":"{source.randrange(500)}","s":{number * 3},"t":{WALL_S + at_s - 0.1}}}'
            analysis.message(text, at_s, WALL_S + at_s)
            if number % 500 == 0:
                analysis.tick(at_s, WALL_S + at_s)
                analysis.interval(at_s, WALL_S + at_s)
                analysis.take_events()

    feed(0, 5_000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    feed(5_000, 5_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 200_000
    summary = analysis.summary(100.0)
    assert summary.keys is not None
    assert len(summary.keys) == 21
    assert summary.keys[-1].key == "others"
    assert sum(one.messages for one in summary.keys) == 10_000


def test_paths_that_lead_nowhere_are_no_comfort() -> None:
    feed = Feed(by="$.k", seq="$.n", time="$.t", field="$.f", show="text", max_gap=0, max_lag_s=1.0)
    feed.until(3, [(at_s / 10, '{"x": 1}') for at_s in range(20)])
    summary = feed.analysis.summary(feed.now_s)
    assert summary.numbered == 0
    assert [(one.measured, one.ok) for one in summary.thresholds] == [(None, False)] * 2
    said = " ".join(summary.explanation)
    assert "No key at $.k in any of 20 messages" in said
    assert "No number with a key at $.n in any of 20 messages" in said
    assert "No time at $.t that can be read in any of 20 messages" in said
    assert "Nothing at $.f in any of 20 messages" in said


def test_one_number_is_enough_to_look_for_gaps() -> None:
    feed = Feed(seq="$.n", max_gap=0)
    feed.until(1, [(0.1, '{"n": 1}'), (0.2, "x"), (0.3, '{"n": 2}')])
    summary = feed.analysis.summary(feed.now_s)
    assert summary.numbered == 2
    assert [(one.measured, one.ok) for one in summary.thresholds] == [(0.0, True)]
    assert "No number" not in " ".join(summary.explanation)


def test_a_slow_pace_is_no_silence_once_it_is_known() -> None:
    feed = Feed()
    feed.until(150, [(30.0 * number, "x") for number in range(5)])
    assert feed.kinds() == ["silence", "mute", "resumed"]
    assert "not known yet" in feed.events[0].message


def test_a_connection_that_ended_before_a_message_asks_for_no_subscription() -> None:
    feed = Feed()
    feed.until(0.5)
    drop = Drop("fin", at_s=0.5)
    summary = feed.analysis.summary(feed.now_s, drops=1, drop=drop)
    assert "--hello" not in " ".join(summary.explanation)
    assert summary.too_slow_pct is None


def test_heartbeats_that_say_so_are_no_data_and_are_told() -> None:
    feed = Feed()
    feed.until(5, regular(0, 5))
    for _ in range(3):
        feed.analysis.no_data('{"type":"heartbeat"}', dialect=False)
    feed.until(20)
    assert feed.kinds() == ["silence", "mute"]
    summary = feed.analysis.summary(feed.now_s)
    assert summary.control == 3
    assert (
        '3 messages said to be a heartbeat ({"type":"heartbeat"}) and counted as no data: '
        "--dialect none counts all of them."
    ) in summary.explanation


def test_one_message_again_and_again_is_told_as_what_it_may_be() -> None:
    feed = Feed()
    feed.until(90, [*regular(0, 10), *((10.0 + 10 * n, "still here") for n in range(8))])
    said = " ".join(feed.analysis.summary(feed.now_s).explanation)
    assert "one message came 8 times within 1 m 10 s and no other: still here." in said
    other = Feed()
    other.until(10, regular(0, 10))  # alike as well, but at a pace of data
    assert "no other" not in " ".join(other.analysis.summary(other.now_s).explanation)


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        (range(0, 60, 2), True),
        ([1_700_000_000_000 + 97 * n for n in range(30)], True),
        (range(900, 870, -1), True),
        ([*range(20), 25], False),
        ([n for n in range(60) if n % 3], False),
    ],
)
def test_numbers_of_which_none_follows_are_no_sequence(numbers: Iterable[int], said: bool) -> None:
    feed = Feed(seq="$.n")
    feed.until(60, [(1 + 0.1 * at, json.dumps({"n": n})) for at, n in enumerate(numbers)])
    words = " ".join(feed.analysis.summary(feed.now_s).explanation)
    assert ("numbers is one above the one before" in words) is said


def test_a_greeting_and_nothing_more_is_no_feed_that_died() -> None:
    feed = Feed()
    feed.until(30, [(0.05, '{"connection_id":"7f"}')])
    words = " ".join(feed.analysis.summary(feed.now_s).explanation)
    assert "right after the opening, and none in the 30 s since" in words
    assert "--hello" in words
    assert "dead" not in words


@pytest.mark.parametrize(
    ("numbers", "measured"),
    [
        (range(900, 870, -1), None),
        ([5, 4, 3], None),
        ([7, 7], None),
        ([0, 2000] * 10, None),
        (range(0, 60, 2), None),
        ([1, 5], 3.0),
        ([9, 8, 9, 10], 0.0),
    ],
)
def test_gaps_are_measured_by_numbers_that_follow_each_other(
    numbers: Iterable[int], measured: float | None
) -> None:
    feed = Feed(seq="$.n", max_gap=2000)
    feed.until(60, [(1 + 0.1 * at, json.dumps({"n": n})) for at, n in enumerate(numbers)])
    summary = feed.analysis.summary(feed.now_s)
    assert [(one.measured, one.ok) for one in summary.thresholds] == [
        (measured, measured is not None)
    ]
    said = "is one above the one before: most likely" in " ".join(summary.explanation)
    assert said is (measured is None)


@pytest.mark.parametrize(
    ("ages_s", "limit_s", "measured", "ok", "said"),
    [
        # the clock of the endpoint is an hour ahead: whether a message was late is not known
        ([-3600.0, -3599.9], 1.0, None, False, "--max-lag is less, and cannot be judged"),
        # … but one came two seconds later than another
        ([-3600.0, -3598.0], 1.0, 2.0, False, "for --max-lag it is added"),
        ([-0.002, 0.3], 1.0, 0.302, True, "for --max-lag it is added"),
        ([-0.2, 0.9], 1.0, 1.1, False, "for --max-lag it is added"),
        ([0.2, 0.9], 1.0, 0.9, True, "may differ, and that difference is part of every figure."),
    ],
)
def test_a_lag_below_zero_shows_by_how_much_the_clocks_differ(
    ages_s: list[float], limit_s: float, measured: float | None, ok: bool, said: str
) -> None:
    analysis = StreamAnalysis("ws://feed", StreamOptions(time="$.t", max_lag_s=limit_s))
    analysis.opened(0.0)
    for at_s, age_s in enumerate(ages_s, start=1):
        analysis.message(json.dumps({"t": WALL_S + at_s - age_s}), at_s, WALL_S + at_s)
    summary = analysis.summary(10.0)
    (limit,) = summary.thresholds
    assert limit.ok is ok
    assert limit.measured == (None if measured is None else pytest.approx(measured, abs=1e-3))
    assert said in " ".join(summary.explanation)


def test_a_number_of_more_than_64_bits_is_said_to_be_none() -> None:
    feed = Feed(seq="$.n")
    feed.until(1, [(0.1, json.dumps({"n": 10**30}))])
    assert "whole, of up to 64 bits" in " ".join(feed.analysis.summary(feed.now_s).explanation)
