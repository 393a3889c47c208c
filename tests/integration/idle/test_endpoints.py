"""Endpoints that drop connections in every way, against the whole probe over real sockets.

A dozen run at the same time, in seconds instead of minutes; each test looks at one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.idle.endpoint import Endpoint, endpoint
from tests.integration.idle.running import Probed, probe, scaled
from wsdiag.records import IdleVerdict

# Far enough apart that no two neighbours within one timer's tolerance hold most of them.
RANDOM_S = (0.8, 3.7, 1.9, 2.9, 1.2, 3.3, 0.9, 2.4)


@dataclass(frozen=True)
class Scene:
    manners: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


SCENES: dict[str, Scene] = {
    "fin": Scene({"idle_s": 2.2}),
    "rst": Scene({"idle_s": 2.2, "how": "rst"}),
    "half": Scene({"idle_s": 2.2, "how": "half"}),
    "cut": Scene({"idle_s": 2.2, "how": "cut", "code": 1001}),
    "1000": Scene({"idle_s": 2.2, "how": "close", "code": 1000}),
    "1001": Scene({"idle_s": 2.2, "how": "close", "code": 1001, "reason": "idle"}),
    "1011": Scene({"idle_s": 2.2, "how": "close", "code": 1011, "reason": "keepalive \x1b[2J"}),
    "goodbye": Scene({"idle_s": 2.2, "how": "bye", "code": 4000, "reason": "bye"}),
    "no-drop": Scene({}),
    "lifetime": Scene({"lifetime_s": 2.2}),
    "login": Scene({"lifetime_s": 2.2, "how": "close", "code": 1008, "reason": "log in first"}),
    "pings": Scene({"ping_every_s": 0.5}),
    "pings-lifetime": Scene({"ping_every_s": 0.5, "lifetime_s": 2.7}),
    "client-bytes": Scene({"idle_s": 2.2, "counts": "client", "text_every_s": 0.5}),
    "server-bytes": Scene({"idle_s": 2.2, "counts": "server"}),
    "mute": Scene({"answers_pings": False}),
    "mute-drop": Scene({"idle_s": 2.2, "answers_pings": False}),
    "mute-server-bytes": Scene({"idle_s": 2.2, "answers_pings": False, "counts": "server"}),
    "mute-echo": Scene(
        {"idle_s": 2.2, "answers_pings": False, "echo": True},
        {"send": "hello", "expect": "^hel+o$"},
    ),
    "messages-only": Scene({"idle_s": 2.2, "only_messages_count": True}),
    "messages-only-sent": Scene({"idle_s": 2.2, "only_messages_count": True}, {"send": "x"}),
    "silent": Scene({"idle_s": 2.2, "how": "silent"}),
    "random": Scene({"idle_s": lambda n: RANDOM_S[n % len(RANDOM_S)]}),
    "two-backends": Scene({"idle_s": lambda n: 1.3 if n % 2 else 3.2}),
    "dies": Scene({"dies_at_s": 2.2}),
    "restarts": Scene({"dies_at_s": 2.2, "restarts": True}),
    "short": Scene({"idle_s": 0.7}),
    "at-once": Scene({"close_at_once": 1008}),
    "few": Scene({"idle_s": 2.2, "most": 9}),
    "broken": Scene({"bad_frame_after_s": 0.8}),
    "welcome": Scene({"idle_s": 2.2, "welcome": "hello"}),
    "push": Scene({"idle_s": 2.2, "text_every_s": 0.5, "counts": "both"}, {"push": "go on"}),
    "named": Scene({"idle_s": 2.2, "headers": (("Server", "nginx/1.2"), ("CF-Ray", "1a2b"))}),
    "required": Scene({"idle_s": 2.2}, {"require_s": 3.0}),
    "required-less": Scene({"idle_s": 2.2}, {"require_s": 1.5}),
}


@dataclass
class Played:
    probed: Probed
    endpoint: Endpoint

    @property
    def verdict(self) -> IdleVerdict:
        return self.probed.verdict


async def play(scene: Scene, room: asyncio.Semaphore) -> Played:
    async with room, endpoint(**scene.manners) as running:
        probed = await probe(running.url, scaled(**scene.options))
        await asyncio.sleep(0.1)  # the last Close frames arrive
        return Played(probed, running)


@pytest.fixture(scope="module")
def scenes() -> dict[str, Played]:
    async def everything() -> list[Played]:
        room = asyncio.Semaphore(12)
        return await asyncio.gather(*(play(scene, room) for scene in SCENES.values()))

    return dict(zip(SCENES, asyncio.run(everything()), strict=True))


Scenes = dict[str, Played]


def within(verdict: IdleVerdict, truth: float) -> None:
    """The range contains the truth and is at most a second wide."""
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", verdict
    assert found is not None
    assert found.high is not None
    assert found.low <= truth <= found.high, verdict
    assert found.high - found.low <= 1.0


@pytest.mark.parametrize("name", ["fin", "rst", "half", "cut", "1000", "1001", "1011", "goodbye"])
def test_the_timeout_is_found_however_it_shows(name: str, scenes: Scenes) -> None:
    played = scenes[name]
    within(played.verdict, 2.2)
    assert played.verdict.keepalives["ping"] == "holds"
    assert played.verdict.recommended_ping_interval_s == pytest.approx(1.05, abs=0.1)
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
        ("goodbye", "close", 4000, "bye"),
    ],
)
def test_the_ending_is_read(
    name: str, how: str, code: int | None, reason: str | None, scenes: Scenes
) -> None:
    drop = scenes[name].verdict.drop
    assert drop is not None
    assert (drop.how, drop.code, drop.reason) == (how, code, reason)


def test_a_cut_close_frame_is_told(scenes: Scenes) -> None:
    drop = scenes["cut"].verdict.drop
    assert drop is not None
    assert "cut off" in (drop.detail or "")


def test_who_closes_is_most_likely_never_certain(scenes: Scenes) -> None:
    assert "endpoint" in scenes["1001"].verdict.explanation[1]
    assert "most likely" in scenes["fin"].verdict.explanation[1]
    for played in scenes.values():
        assert "certainly" not in played.probed.words()


def test_a_farewell_is_not_traffic(scenes: Scenes) -> None:
    dropped = [t for t in scenes["goodbye"].probed.trials if t.outcome == "dropped"]
    assert all(t.received == () and (t.idle_s or 0) > 2 for t in dropped if t.trial == "idle")


def test_no_drop(scenes: Scenes) -> None:
    verdict = scenes["no-drop"].verdict
    assert verdict.verdict == "no-drop"
    assert verdict.tested_up_to_s == pytest.approx(4.0, abs=0.3)
    assert verdict.recommended_ping_interval_s == 20
    tried = {kind for kind, word in verdict.keepalives.items() if word == "holds"}
    assert tried == {"ping", "pong", "tcp-keepalive"}
    assert verdict.keepalives["push"] == verdict.keepalives["data"] == "untested"
    assert scenes["no-drop"].endpoint.clean_closes == scenes["no-drop"].endpoint.connections


@pytest.mark.parametrize(
    ("name", "age"), [("lifetime", 2.2), ("login", 2.2), ("pings-lifetime", 2.7)]
)
def test_a_lifetime(name: str, age: float, scenes: Scenes) -> None:
    verdict = scenes[name].verdict
    assert verdict.verdict == "lifetime", verdict
    assert verdict.lifetime_s is not None
    assert verdict.lifetime_s.low <= age <= (verdict.lifetime_s.high or 0)
    assert verdict.keepalives["ping"] == "drops"
    assert verdict.recommended_ping_interval_s is None


def test_a_login_that_is_missing_is_mentioned(scenes: Scenes) -> None:
    assert "login" in scenes["login"].probed.words()


def test_the_servers_pings_mask(scenes: Scenes) -> None:
    verdict = scenes["pings"].verdict
    assert verdict.verdict == "kept-busy"
    assert verdict.tested_up_to_s == pytest.approx(0.5, abs=0.3)
    assert "pings" in scenes["pings"].probed.words()
    assert any(t.outcome == "kept-busy" and t.received for t in scenes["pings"].probed.trials)


def test_a_timer_of_client_bytes_is_seen_through_what_the_server_sends(scenes: Scenes) -> None:
    verdict = scenes["client-bytes"].verdict
    within(verdict, 2.2)
    assert verdict.keepalives["pong"] == "holds"
    assert "client last sent" in verdict.explanation[0]


def test_a_timer_of_server_bytes_ignores_pongs(scenes: Scenes) -> None:
    verdict = scenes["server-bytes"].verdict
    within(verdict, 2.2)
    assert (verdict.keepalives["ping"], verdict.keepalives["pong"]) == ("holds", "drops")


def test_an_endpoint_without_pongs(scenes: Scenes) -> None:
    assert scenes["mute"].verdict.verdict == "no-drop", scenes["mute"].probed
    assert "answers no Pings" in scenes["mute"].probed.words()
    within(scenes["mute-drop"].verdict, 2.2)
    assert scenes["mute-drop"].verdict.keepalives["ping"] == "holds"


def test_no_answer_at_all_leaves_lifetime_and_direction_open(scenes: Scenes) -> None:
    verdict = scenes["mute-server-bytes"].verdict
    assert verdict.verdict == "lifetime"
    assert "look alike" in scenes["mute-server-bytes"].probed.words()


def test_messages_serve_where_pings_are_not_answered(scenes: Scenes) -> None:
    verdict = scenes["mute-echo"].verdict
    within(verdict, 2.2)
    assert verdict.keepalives["data"] == "holds"
    assert any(t.pong_s is not None for t in scenes["mute-echo"].probed.trials)


def test_only_messages_count(scenes: Scenes) -> None:
    assert scenes["messages-only"].verdict.verdict == "lifetime"
    assert "--send" in scenes["messages-only"].probed.words()
    verdict = scenes["messages-only-sent"].verdict
    within(verdict, 2.2)
    assert (verdict.keepalives["ping"], verdict.keepalives["data"]) == ("drops", "holds")
    assert verdict.recommended_ping_interval_s is None
    assert "message" in verdict.advice[0]


def test_silence_is_bracketed_by_the_rungs(scenes: Scenes) -> None:
    verdict = scenes["silent"].verdict
    assert verdict.verdict == "idle-timeout", scenes["silent"].probed
    found = verdict.idle_timeout_s
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(2.0, abs=0.19), pytest.approx(2.5, abs=0.4))
    assert verdict.drop is not None
    assert verdict.drop.how == "silent"


@pytest.mark.parametrize("name", ["random", "two-backends", "dies", "restarts"])
def test_what_does_not_agree_is_inconsistent(name: str, scenes: Scenes) -> None:
    verdict = scenes[name].verdict
    assert verdict.verdict == "inconsistent", scenes[name].probed
    assert verdict.idle_timeout_s is None
    assert verdict.candidates == ()


def test_inconsistency_is_explained(scenes: Scenes) -> None:
    assert "groups" in scenes["two-backends"].probed.words()
    assert "one moment" in scenes["dies"].verdict.explanation[0]
    assert "could not be opened" in scenes["dies"].probed.words()
    assert "could be opened" in scenes["restarts"].probed.words()


def test_a_timeout_shorter_than_the_keepalives(scenes: Scenes) -> None:
    verdict = scenes["short"].verdict
    within(verdict, 0.7)
    assert verdict.keepalives["ping"] == "holds"
    assert (verdict.recommended_ping_interval_s or 9) <= 0.35


def test_nothing_can_be_measured_where_connections_end_at_once(scenes: Scenes) -> None:
    assert scenes["at-once"].verdict.verdict == "unreachable"
    assert "at once" in scenes["at-once"].verdict.explanation[0]
    assert scenes["broken"].verdict.verdict == "unreachable"
    assert "protocol" in scenes["broken"].verdict.explanation[0]


def test_refusals_are_worked_with_and_reported(scenes: Scenes) -> None:
    played = scenes["few"]
    within(played.verdict, 2.2)
    assert played.endpoint.most_open <= 9
    assert any(t.outcome == "refused" and "429" in (t.detail or "") for t in played.probed.trials)
    assert "refused" in played.probed.words()


def test_a_welcome_restarts_the_clock_and_masks_nothing(scenes: Scenes) -> None:
    within(scenes["welcome"].verdict, 2.2)


def test_pushed_messages(scenes: Scenes) -> None:
    assert scenes["push"].verdict.keepalives["push"] == "holds"
    assert scenes["push"].verdict.verdict == "kept-busy"


def test_headers_make_candidates(scenes: Scenes) -> None:
    verdict = scenes["named"].verdict
    assert [hop.product for hop in verdict.hops] == ["nginx (http proxy)", "Cloudflare"]
    assert {c.product for c in verdict.candidates} == {"nginx (http proxy)", "Cloudflare"}
    assert [c.default_s for c in verdict.candidates if c.product == "Cloudflare"] == [None]


def test_requirements(scenes: Scenes) -> None:
    assert scenes["required"].verdict.require_ok is False
    assert scenes["required-less"].verdict.require_ok is True
    assert any(t.idle_for_s == 3.0 for t in scenes["required"].probed.started)


def test_every_lane_has_one_record_and_none_is_left_open(scenes: Scenes) -> None:
    for played in scenes.values():
        lanes = [t.connection for t in played.probed.trials]
        assert sorted(lanes) == list(range(len(lanes)))
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


def test_repetition_agrees() -> None:
    async def repeated() -> Probed:
        async with endpoint(idle_s=1.2) as running:
            return await probe(running.url, scaled(to_s=2.0, repeat=2))

    probed = asyncio.run(repeated())
    within(probed.verdict, 1.2)
    assert {t.round for t in probed.trials} == {1, 2}
    lanes = [t.connection for t in probed.trials]
    assert len(lanes) == len(set(lanes))


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
