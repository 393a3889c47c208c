"""Endpoints that drop connections in every way, against the whole probe over real sockets.

They run in seconds instead of minutes; each test looks at one of them, or at a few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.integration.idle.endpoint import Endpoint, endpoint
from tests.integration.idle.running import Probed, probe, scaled
from tests.integration.lag import LATE_S, Outcomes
from tests.integration.scripted import note_what_tcp_is_asked_about
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import IdleVerdict

# Far enough apart that no two neighbours within one timer's tolerance hold most of them.
RANDOM_S = (0.8, 3.7, 1.9, 2.9, 1.2, 3.3, 0.9, 2.4)


@dataclass(frozen=True)
class Scenario:
    behaviour: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


SCENARIOS: dict[str, Scenario] = {
    "fin": Scenario({"idle_s": 2.2}),
    "rst": Scenario({"idle_s": 2.2, "how": "rst"}),
    "half": Scenario({"idle_s": 2.2, "how": "half"}),
    "cut": Scenario({"idle_s": 2.2, "how": "cut", "code": 1001}),
    "1000": Scenario({"idle_s": 2.2, "how": "close", "code": 1000}),
    "1001": Scenario({"idle_s": 2.2, "how": "close", "code": 1001, "reason": "idle"}),
    "1011": Scenario({"idle_s": 2.2, "how": "close", "code": 1011, "reason": "keepalive \x1b[2J"}),
    "4000": Scenario({"idle_s": 2.2, "how": "bye", "code": 4000, "reason": "bye"}),
    "no-drop": Scenario({}),
    "lifetime": Scenario({"lifetime_s": 2.2}),
    "login": Scenario({"lifetime_s": 2.2, "how": "close", "code": 1008, "reason": "log in first"}),
    "pings": Scenario({"ping_every_s": 0.5}),
    "parts": Scenario({"part_every_s": 0.1, "answers_pings": False}),
    "pings-lifetime": Scenario({"ping_every_s": 0.5, "lifetime_s": 2.7}),
    "client-bytes": Scenario({"idle_s": 2.2, "counts": "client", "text_every_s": 0.5}),
    "server-bytes": Scenario({"idle_s": 2.2, "counts": "server"}),
    "mute": Scenario({"answers_pings": False}),
    "mute-drop": Scenario({"idle_s": 2.2, "answers_pings": False}),
    "mute-server-bytes": Scenario({"idle_s": 2.2, "answers_pings": False, "counts": "server"}),
    "mute-echo": Scenario(
        {"idle_s": 2.2, "answers_pings": False, "echo": True},
        {"send": "hello", "expect": "^hel+o$"},
    ),
    "messages-only": Scenario({"idle_s": 2.2, "only_messages_count": True}),
    "messages-only-sent": Scenario({"idle_s": 2.2, "only_messages_count": True}, {"send": "x"}),
    "silent": Scenario({"idle_s": 2.2, "how": "silent"}),
    "random": Scenario({"idle_s": lambda n: RANDOM_S[n % len(RANDOM_S)]}),
    "two-backends": Scenario({"idle_s": lambda n: 1.3 if n % 2 else 3.2}),
    "dies": Scenario({"dies_at_s": 2.2}),
    "restarts": Scenario({"dies_at_s": 2.2, "restarts": True}),
    "short": Scenario({"idle_s": 0.7}),
    "at-once": Scenario({"close_at_once": 1008}),
    "few": Scenario({"idle_s": 2.2, "most": 9}),
    "broken": Scenario({"bad_frame_after_s": 0.8}),
    "welcome": Scenario({"idle_s": 2.2, "welcome": "hello"}),
    "push": Scenario({"idle_s": 2.2, "text_every_s": 0.5, "counts": "both"}, {"push": "go on"}),
    "named": Scenario({"idle_s": 2.2, "headers": (("Server", "nginx/1.2"), ("CF-Ray", "1a2b"))}),
    "required": Scenario({"idle_s": 2.2}, {"require_s": 3.0}),
    "required-less": Scenario({"idle_s": 2.2}, {"require_s": 1.5}),
}


@dataclass
class Played:
    probed: Probed
    endpoint: Endpoint

    @property
    def verdict(self) -> IdleVerdict:
        return self.probed.verdict


async def play(scenario: Scenario) -> Played:
    async with endpoint(**scenario.behaviour) as running:
        probed = await probe(running.url, scaled(**scenario.options))
        await asyncio.sleep(0.1)  # the last Close frames arrive
        return Played(probed, running)


Scenarios = Outcomes[Played]


@pytest.fixture(scope="module")
def scenarios() -> Scenarios:
    # the endpoints run in this loop too: one that is late is an endpoint that drops late
    works = {name: partial(play, one) for name, one in SCENARIOS.items()}
    return Outcomes(works, good_s=0.25, most_s=LATE_S)


def within(verdict: IdleVerdict, truth: float) -> None:
    """The range contains the truth, and is as wide as a look once a second and a late machine."""
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", verdict
    assert found is not None
    assert found.high is not None
    assert found.low <= truth <= found.high, verdict
    assert found.high - found.low <= 1.0 + LATE_S


@pytest.mark.parametrize("name", ["fin", "rst", "half", "cut", "1000", "1001", "1011", "4000"])
def test_the_timeout_is_found_however_it_shows(name: str, scenarios: Scenarios) -> None:
    played = scenarios[name]
    within(played.verdict, 2.2)
    assert played.verdict.keepalives["ping"] == "holds"
    # half of what was survived for certain: a busy machine sees less of the 2.2 s, never more
    found, recommended_s = played.verdict.idle_timeout_s, played.verdict.recommended_ping_interval_s
    assert found is not None
    assert 0.45 * found.low <= (recommended_s or 0.0) <= 1.1
    assert played.probed.wall_s < 2.2 + 5 + 2


@pytest.mark.parametrize(
    ("name", "how", "code", "reason"),
    [
        ("fin", "fin", None, None),
        ("rst", "rst", None, None),
        ("half", "fin", None, None),
        ("cut", "fin", None, None),
        ("1000", "close", 1000, ""),
        ("1001", "close", 1001, "idle"),
        ("1011", "close", 1011, "keepalive \x1b[2J"),
        ("4000", "close", 4000, "bye"),
    ],
)
def test_the_ending_is_read(
    name: str, how: str, code: int | None, reason: str | None, scenarios: Scenarios
) -> None:
    drop = scenarios[name].verdict.drop
    assert drop is not None
    assert (drop.how, drop.code, drop.reason) == (how, code, reason)


def test_a_cut_close_frame_is_told(scenarios: Scenarios) -> None:
    drop = scenarios["cut"].verdict.drop
    assert drop is not None
    assert "cut off" in (drop.detail or "")


def test_who_closes_is_most_likely_never_certain(scenarios: Scenarios) -> None:
    assert "endpoint" in scenarios["1001"].verdict.explanation[1]
    assert "most likely" in scenarios["fin"].verdict.explanation[1]
    assert "certainly" not in scenarios["1001"].probed.words()


def test_trailing_traffic_restarts_no_timer(scenarios: Scenarios) -> None:
    dropped = [t for t in scenarios["4000"].probed.trials if t.outcome == "dropped"]
    assert all(t.received == () and (t.idle_s or 0) > 2 for t in dropped if t.trial == "idle")


def test_no_drop(scenarios: Scenarios) -> None:
    verdict = scenarios["no-drop"].verdict
    assert verdict.verdict == "no-drop"
    assert verdict.tested_up_to_s == pytest.approx(4.0, abs=0.3)
    assert verdict.recommended_ping_interval_s == 20
    tried = {kind for kind, word in verdict.keepalives.items() if word == "holds"}
    assert tried == {"ping", "pong", "tcp-keepalive"}
    assert verdict.keepalives["push"] == verdict.keepalives["data"] == "untested"
    assert scenarios["no-drop"].endpoint.clean_closes == scenarios["no-drop"].endpoint.connections


@pytest.mark.parametrize(("name", "age"), [("lifetime", 2.2), ("pings-lifetime", 2.7)])
def test_a_lifetime(name: str, age: float, scenarios: Scenarios) -> None:
    verdict = scenarios[name].verdict
    assert verdict.verdict == "lifetime", verdict
    assert verdict.lifetime_s is not None
    assert verdict.lifetime_s.low <= age <= (verdict.lifetime_s.high or 0)
    assert verdict.keepalives["ping"] == "drops"
    assert verdict.recommended_ping_interval_s is None


def test_an_end_that_asks_for_a_login_wants_a_first_message(scenarios: Scenarios) -> None:
    verdict = scenarios["login"].verdict
    assert verdict.verdict == "application-timeout"
    assert "log in first" in verdict.explanation[0]
    assert "--hello" in " ".join(verdict.advice)


def test_the_servers_pings_keep_connections_busy(scenarios: Scenarios) -> None:
    verdict = scenarios["pings"].verdict
    assert verdict.verdict == "kept-busy"
    assert verdict.tested_up_to_s == pytest.approx(0.5, abs=0.3)
    assert "Pings" in scenarios["pings"].probed.words()
    assert any(t.outcome == "kept-busy" and t.received for t in scenarios["pings"].probed.trials)


def test_a_connection_that_receives_a_message_is_not_idle_before_its_end(
    scenarios: Scenarios,
) -> None:
    probed = scenarios["parts"].probed
    assert probed.verdict.verdict == "kept-busy", probed
    assert probed.verdict.tested_up_to_s == pytest.approx(0.1, abs=0.7)
    assert "part of a message" in probed.words()
    assert "answers no Pings" not in probed.words()
    idle = [t for t in probed.trials if t.trial == "idle"]
    assert {t.outcome for t in idle} == {"kept-busy"}
    assert all([what for _, what in t.received] == ["part"] for t in idle)


def test_a_timer_of_client_bytes_is_seen_through_what_the_server_sends(
    scenarios: Scenarios,
) -> None:
    verdict = scenarios["client-bytes"].verdict
    within(verdict, 2.2)
    assert verdict.keepalives["pong"] == "holds"
    assert "client last sent" in verdict.explanation[0]


def test_a_timer_of_server_bytes_ignores_pongs(scenarios: Scenarios) -> None:
    verdict = scenarios["server-bytes"].verdict
    within(verdict, 2.2)
    assert (verdict.keepalives["ping"], verdict.keepalives["pong"]) == ("holds", "drops")


def test_an_endpoint_without_pongs(scenarios: Scenarios) -> None:
    assert scenarios["mute"].verdict.verdict == "no-drop", scenarios["mute"].probed
    assert "answers no Pings" in scenarios["mute"].probed.words()
    within(scenarios["mute-drop"].verdict, 2.2)
    assert scenarios["mute-drop"].verdict.keepalives["ping"] == "holds"


def test_no_answer_at_all_leaves_lifetime_and_direction_open(scenarios: Scenarios) -> None:
    verdict = scenarios["mute-server-bytes"].verdict
    assert verdict.verdict == "lifetime"
    assert "look alike" in scenarios["mute-server-bytes"].probed.words()


def test_messages_serve_where_pings_are_not_answered(scenarios: Scenarios) -> None:
    verdict = scenarios["mute-echo"].verdict
    within(verdict, 2.2)
    assert verdict.keepalives["data"] == "holds"
    assert any(t.pong_s is not None for t in scenarios["mute-echo"].probed.trials)


def test_only_messages_count(scenarios: Scenarios) -> None:
    assert scenarios["messages-only"].verdict.verdict == "lifetime"
    assert "--send" in scenarios["messages-only"].probed.words()
    verdict = scenarios["messages-only-sent"].verdict
    within(verdict, 2.2)
    assert (verdict.keepalives["ping"], verdict.keepalives["data"]) == ("drops", "holds")
    assert verdict.recommended_ping_interval_s is None
    assert "message" in verdict.advice[0]


def test_silence_is_bracketed_by_the_idle_periods(scenarios: Scenarios) -> None:
    verdict = scenarios["silent"].verdict
    assert verdict.verdict == "idle-timeout", scenarios["silent"].probed
    found = verdict.idle_timeout_s
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(2.0, abs=0.19), pytest.approx(2.5, abs=0.4))
    assert verdict.drop is not None
    assert verdict.drop.how == "silent"


@pytest.mark.parametrize("name", ["dies", "restarts"])
def test_what_ends_everything_at_one_moment_is_an_event(name: str, scenarios: Scenarios) -> None:
    verdict = scenarios[name].verdict
    assert verdict.verdict == "event", scenarios[name].probed
    assert set(verdict.keepalives.values()) == {"untested"}
    assert "jitter" in verdict.advice[0]


@pytest.mark.parametrize("name", ["random", "two-backends"])
def test_what_does_not_agree_is_inconsistent(name: str, scenarios: Scenarios) -> None:
    verdict = scenarios[name].verdict
    assert verdict.verdict == "inconsistent", scenarios[name].probed
    assert verdict.idle_timeout_s is None
    assert verdict.candidates == ()


def test_inconsistency_is_explained(scenarios: Scenarios) -> None:
    assert "groups" in scenarios["two-backends"].probed.words()
    assert "one moment" in scenarios["dies"].verdict.explanation[0]
    assert "could not be opened" in scenarios["dies"].probed.words()
    assert "could be opened" in scenarios["restarts"].probed.words()


def test_a_timeout_shorter_than_the_keepalives(scenarios: Scenarios) -> None:
    verdict = scenarios["short"].verdict
    within(verdict, 0.7)
    assert verdict.keepalives["ping"] == "holds"
    assert (verdict.recommended_ping_interval_s or 9) <= 0.35


def test_nothing_can_be_measured_where_connections_end_at_once(scenarios: Scenarios) -> None:
    assert scenarios["at-once"].verdict.verdict == "unreachable"
    assert "at once" in scenarios["at-once"].verdict.explanation[0]
    assert scenarios["broken"].verdict.verdict == "unreachable"
    assert "protocol" in scenarios["broken"].verdict.explanation[0]


def test_refusals_are_worked_with_and_reported(scenarios: Scenarios) -> None:
    played = scenarios["few"]
    within(played.verdict, 2.2)
    assert played.endpoint.most_open <= 9
    assert any(t.outcome == "refused" and "429" in (t.detail or "") for t in played.probed.trials)
    assert "refused" in played.probed.words()


def test_a_welcome_restarts_the_clock_and_hides_nothing(scenarios: Scenarios) -> None:
    within(scenarios["welcome"].verdict, 2.2)


def test_pushed_messages(scenarios: Scenarios) -> None:
    assert scenarios["push"].verdict.keepalives["push"] == "holds"
    assert scenarios["push"].verdict.verdict == "kept-busy"


def test_headers_make_candidates(scenarios: Scenarios) -> None:
    verdict = scenarios["named"].verdict
    assert [hop.product for hop in verdict.hops] == ["nginx (http proxy)", "Cloudflare"]
    assert {c.product for c in verdict.candidates} == {"nginx (http proxy)", "Cloudflare"}
    assert [c.default_s for c in verdict.candidates if c.product == "Cloudflare"] == [None]


def test_requirements(scenarios: Scenarios) -> None:
    assert scenarios["required"].verdict.require_ok is False
    assert scenarios["required-less"].verdict.require_ok is True
    assert any(t.idle_for_s == 3.0 for t in scenarios["required"].probed.started)


def test_every_connection_has_one_record_and_none_is_left_open(scenarios: Scenarios) -> None:
    for played in scenarios.values():
        connections = [t.connection for t in played.probed.trials]
        assert sorted(connections) == list(range(len(connections)))
        assert played.endpoint.most_open <= 32


@pytest.mark.parametrize("wrap", [lambda url: url, lambda url: [url, url]])
def test_interrupted(wrap: Callable[[str], Any]) -> None:
    async def interrupted() -> tuple[Probed, Endpoint]:
        async with endpoint() as running:
            probed = await probe(wrap(running.url), scaled(to_s=60.0), stop_after_s=1.5)
            await asyncio.sleep(0.1)
            return probed, running

    probed, running = asyncio.run(interrupted())
    for verdict in probed.verdicts:
        assert verdict.partial
        assert verdict.verdict == "no-drop"
        assert 0.3 < (verdict.tested_up_to_s or 0.0) < 2.5  # 1.3 on a machine with time
        assert "interrupted" in " ".join(verdict.explanation)
    assert probed.wall_s < 1.5 + 2 + 3
    assert running.clean_closes == running.connections


def test_interrupted_at_once_measures_nothing() -> None:
    async def interrupted() -> Probed:
        async with endpoint() as running:
            return await probe(running.url, scaled(to_s=60.0), stop_after_s=0.0)

    probed = asyncio.run(interrupted())
    assert probed.verdict.partial
    assert not probed.verdict.tested_up_to_s


def test_nothing_listens() -> None:
    probed = asyncio.run(probe("ws://127.0.0.1:9/", scaled()))
    (error,) = probed.errors
    assert error.kind == "refused"
    assert probed.verdict.verdict == "unreachable"
    assert error.message in probed.verdict.explanation[0]


def test_an_error_of_one_url_of_several_has_its_number() -> None:
    async def both() -> Probed:
        async with endpoint() as running:
            return await probe([running.url, "ws://127.0.0.1:9/"], scaled(to_s=1.0, from_s=0.5))

    (error,) = asyncio.run(both()).errors
    assert error.target == 2


def test_repetition_agrees() -> None:
    async def repeated() -> Probed:
        async with endpoint(idle_s=1.2) as running:
            return await probe(running.url, scaled(to_s=2.0, repeat=2))

    probed = asyncio.run(repeated())
    within(probed.verdict, 1.2)
    assert {t.round for t in probed.trials} == {1, 2}
    connections = [t.connection for t in probed.trials]
    assert len(connections) == len(set(connections))


def test_refinement_narrows_a_silent_drop() -> None:
    async def refined() -> Probed:
        async with endpoint(idle_s=1.8, how="silent") as running:
            return await probe(running.url, scaled(step_s=1.0, pong_timeout_s=1.0, refine=True))

    probed = asyncio.run(refined())
    found = probed.verdict.idle_timeout_s
    assert probed.verdict.verdict == "idle-timeout"
    assert found is not None
    assert found.high is not None
    assert found.low <= 1.8 <= found.high
    assert found.high - found.low <= 0.35
    assert {t.round for t in probed.trials} == {1, 2}


def test_tcp_is_asked_about_the_pings_whose_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # a keepalive's next Ping may have left this very moment, so that nothing has acknowledged it
    ages_s = note_what_tcp_is_asked_about(monkeypatch)

    async def stalled() -> Probed:
        async with endpoint(lifetime_s=2.2, how="silent") as running:
            options = scaled(
                trials=("idle", "ping"), keepalive_s=0.25, pong_timeout_s=1.0, locate=False
            )
            return await probe(running.url, options)

    probed = asyncio.run(stalled())
    drops = [trial.drop for trial in probed.trials if trial.drop is not None]
    assert {drop.how for drop in drops} == {"silent"}
    assert {drop.tcp_acknowledged for drop in drops} == {True}
    assert min(ages_s) >= 1.0


def test_a_bug_in_a_trial_ends_the_run_and_is_told() -> None:
    async def broken() -> Probed:
        async with endpoint(idle_s=30.0) as running:
            unsendable = scaled(to_s=2.0, send="\udcff")  # no text: the connection refuses it
            return await asyncio.wait_for(probe(running.url, unsendable), 30)

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(broken())
    assert raised.group_contains(LocalProtocolError)
