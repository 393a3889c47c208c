"""`connect`, `ping` and `idle-probe` against every fault that `serve` declares, side by side.

All probes run at the same time, a dozen at once; each test looks at what one of them said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.integration.idle.running import Probed, probe
from tests.integration.ping.running import PingRecords, run_pings
from tests.integration.server.serving import serving
from tests.integration.server.verdict_table import IDLE, PING, TABLE, Connect, Idle, Ping, Row
from wsdiag.probes.connect.run import connect
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import ConnectResult, Error, PingClosed, PingReply
from wsdiag.server.faults import FAULTS
from wsdiag.server.faults.bad_frames import RULES
from wsdiag.server.routes import from_spec, resolve
from wsdiag.transport.dial.options import DialOptions

AT_ONCE = 12
NAMES = [f"{row.option or ''}{row.path}" for row in TABLE]


every_row = pytest.mark.parametrize(
    ("name", "row"), list(zip(NAMES, TABLE, strict=True)), ids=NAMES
)


class Said:
    """What the three probes said of one row."""

    connect: ConnectResult
    ping: PingRecords
    idle: Probed


async def ask(row: Row, url: str, room: asyncio.Semaphore) -> Said:
    said, dial = Said(), DialOptions(connect_timeout=3.0)

    async def connecting() -> None:
        async with room:
            said.connect = await connect(url, dial, ping_timeout_s=2.0, close_timeout_s=1.0)

    async def pinging() -> None:
        async with room:
            said.ping = await run_pings(url, dial=dial, **{**PING, **row.ping.options})

    async def idling() -> None:
        async with room:
            options = IdleOptions(**{**IDLE, **row.idle.options})
            said.idle = await probe(url, options, dial=dial)

    await asyncio.gather(connecting(), pinging(), idling())
    return said


@pytest.fixture(scope="module")
def said() -> Iterator[dict[str, Said]]:
    with ExitStack() as servers:
        plain = servers.enter_context(serving())
        urls = []
        for row in TABLE:
            faults = {"faults": (from_spec(row.option),)} if row.option else None
            server = servers.enter_context(serving(**faults)) if faults else plain
            urls.append(server.url + row.path)

        async def everything() -> list[Said]:
            room = asyncio.Semaphore(AT_ONCE)
            return await asyncio.gather(
                *(ask(row, url, room) for row, url in zip(TABLE, urls, strict=True))
            )

        yield dict(zip(NAMES, asyncio.run(everything()), strict=True))


def test_every_fault_is_in_the_table() -> None:
    named = {type(fault) for row in TABLE for fault in resolve(row.path)}
    named |= {type(from_spec(row.option)) for row in TABLE if row.option}
    assert named >= set(FAULTS), "say in verdict_table.py what the probes must say of it"


@every_row
def test_connect(name: str, row: Row, said: dict[str, Said]) -> None:
    found, wanted = said[name].connect, row.connect
    assert found.ok is wanted.ok, found
    words = " ".join(found.notes)
    if found.error is not None:
        assert (found.error.phase, found.error.kind) == (wanted.phase, wanted.kind), found.error
        words = f"{found.error.message} {found.error.hint}"
    assert wanted.says in words
    if wanted == Connect():
        assert found.notes == []
        assert found.close is not None
        assert found.close.clean
    if wanted.code is not None:
        assert found.close is not None
        assert found.close.code == wanted.code


@every_row
def test_ping(name: str, row: Row, said: dict[str, Said]) -> None:
    found, wanted = said[name].ping, row.ping
    errors = found.of(Error)
    assert [error.kind for error in errors] == ([wanted.error] if wanted.error else [])
    if wanted.error:
        assert found.summary.sent == 0
        return
    check_losses(found, wanted)
    ends = [event.drop.how for event in found.of(PingClosed)]
    assert ends == ([wanted.how] if wanted.how else [])
    assert wanted.says in " ".join(found.summary.advice)
    if wanted.slower_ms:
        assert (found.summary.max_ms or 0.0) >= wanted.slower_ms
    if wanted.late:
        assert any(reply.late for reply in found.of(PingReply))


def check_losses(found: PingRecords, wanted: Ping) -> None:
    summary = found.summary
    match wanted.lost:
        case "none":
            assert summary.lost == 0, summary
            assert summary.received == summary.sent > 0
        case "some":
            assert 0 < summary.lost < summary.sent, summary
        case "all":
            assert summary.lost == summary.sent > 0, summary


@every_row
def test_idle_probe(name: str, row: Row, said: dict[str, Said]) -> None:
    found, wanted = said[name].idle.verdict, row.idle
    assert found.verdict == wanted.verdict, said[name].idle
    assert wanted.says in said[name].idle.words()
    check_timeout(found, wanted)
    if wanted.how is not None:
        assert found.drop is not None
        assert found.drop.how == wanted.how
    assert {kind: found.keepalives[kind] for kind in wanted.holds} == wanted.holds


def check_timeout(found: Any, wanted: Idle) -> None:
    if wanted.timeout_s is not None:
        range_ = found.idle_timeout_s
        assert range_.low <= wanted.timeout_s <= range_.high, found


def test_connect_names_every_broken_rule() -> None:
    async def main(url: str) -> list[ConnectResult]:
        room = asyncio.Semaphore(AT_ONCE)

        async def one(rule: str) -> ConnectResult:
            async with room:
                return await connect(f"{url}/bad/frame/{rule}", DialOptions())

        return await asyncio.gather(*map(one, RULES))

    with serving() as server:
        results = asyncio.run(main(server.url))
    for rule, result in zip(RULES, results, strict=True):
        kind = "closed" if rule == "data-after-close" else "protocol"
        assert result.error is not None, rule
        assert result.error.kind == kind, (rule, result.error)
