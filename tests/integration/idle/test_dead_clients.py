"""A client that is dead without a word: does the endpoint notice, and when?"""

from __future__ import annotations

import asyncio
import sys

import pytest

import wsdiag
from wsdiag.records import DeadKind, IdleTrial, IdleVerdict

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs TCP_INFO and filters")
KINDS: tuple[DeadKind, ...] = ("no-pong", "vanish", "no-read")
LONGEST_S = 3.0


async def probed(url: str) -> tuple[list[IdleTrial], IdleVerdict]:
    trials, verdicts = [], []
    options = wsdiag.idle_probe(
        url, to_s=LONGEST_S, from_s=1.5, step_s=1.5, trials=("idle", "ping", *KINDS)
    )
    async for event in options:
        if isinstance(event, IdleTrial):
            trials.append(event)
        elif isinstance(event, IdleVerdict):
            verdicts.append(event)
    return trials, verdicts[0]


async def with_fault(fault: str) -> tuple[list[IdleTrial], IdleVerdict]:
    async with wsdiag.serve(fault) as server:
        return await probed(server.url)


def test_an_endpoint_that_asks_for_nothing_notices_nothing() -> None:
    trials, verdict = asyncio.run(with_fault("echo"))
    assert verdict.verdict == "no-drop"
    assert verdict.dead_client is not None
    assert {kind: one.noticed_s for kind, one in verdict.dead_client.items()} == dict.fromkeys(
        KINDS
    )
    away = sorted(t.idle_for_s or 0.0 for t in trials if t.trial == "vanish")
    assert away == [0.75, 1.5, 2.25, 3.0]
    assert sorted({t.connection for t in trials}) == list(range(len(trials)))
    assert verdict.keepalives.keys().isdisjoint(KINDS)


def test_an_endpoint_that_pings_notices_what_answers_no_ping() -> None:
    _, verdict = asyncio.run(with_fault("ping/0.4?timeout=0.4"))
    assert verdict.dead_client is not None
    for kind in KINDS:
        found = verdict.dead_client[kind]
        assert found.drop is not None
        assert (found.drop.how, found.drop.code) == ("close", 1011)
        assert found.noticed_s is not None
        assert found.noticed_s.low < LONGEST_S
        assert (found.noticed_s.high or 0.0) >= 0.7  # 0.4 s to its Ping, and 0.4 s for the Pong


def test_what_is_dropped_for_idleness_is_dropped_dead_as_well() -> None:
    _, verdict = asyncio.run(with_fault("idle/1?drop=rst"))
    assert verdict.verdict == "idle-timeout"
    assert verdict.dead_client is not None
    for kind in KINDS:
        found = verdict.dead_client[kind]
        assert found.drop is not None
        assert found.drop.how == "rst"
        assert found.noticed_s is not None
        assert found.noticed_s.low < LONGEST_S
        assert (found.noticed_s.high or 0.0) >= 0.95
    assert sum(said.endswith("as idle connections are.") for said in verdict.explanation) == 3


def test_a_broken_rule_is_no_notice() -> None:
    trials, verdict = asyncio.run(with_fault("bad/frame"))
    assert verdict.verdict == "unreachable"
    assert verdict.dead_client is None
    dead = [t for t in trials if t.trial in KINDS]
    assert dead
    assert {(t.outcome, t.drop) for t in dead} == {("aborted", None)}
    assert all(t.violation is not None for t in dead)


def test_too_few_connections_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="--max-connections must be at least 8"):
        asyncio.run(_first(max_connections=7))


async def _first(**options: int) -> None:
    async for _ in wsdiag.idle_probe("ws://localhost:1", trials=("idle", "vanish"), **options):
        return
