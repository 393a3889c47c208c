"""Endpoints that mean harm: check ends in bounded time, says what it saw, and never with 0."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest

from tests.integration.hostile.test_hostile_servers import (
    AFTER_THE_UPGRADE,
    BEFORE_THE_UPGRADE,
    Behaviour,
    Reader,
    Writer,
)
from tests.peers.command import ROOT, WSDIAG
from wsdiag.protocol.errors import HandshakeError

pytestmark = pytest.mark.minutes

BOUND_S = 110.0
# of each kind of rule one or two: all of them would only take longer
RULES = "connect,upgrade,message,ping,close,idle,keepalive,version,ping-echo,close-echo,rsv2,frames"


async def check(url: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *WSDIAG,
        "check",
        "--adversarial",
        "--only",
        RULES,
        "--timeout",
        "0.3",
        "-c",
        "2",
        "--connect-timeout",
        "1s",
        "--send",
        "x",
        "--within",
        "0.3",
        "--require-idle",
        "0.5",
        "--require-keepalive",
        "0.2",
        "-o",
        "json",
        url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def against(behaviour: Behaviour) -> tuple[int, str, str]:
    visits: set[asyncio.Task[None]] = set()

    async def visit(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        visits.add(task)
        with suppress(ConnectionError, HandshakeError, asyncio.CancelledError):
            await behaviour(reader, writer)
        writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(BOUND_S):
            return await check(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    finally:
        server.close()
        for task in visits:
            task.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


@pytest.mark.parametrize(
    "behaviour", [*(behaviour for behaviour, _ in BEFORE_THE_UPGRADE), *AFTER_THE_UPGRADE]
)
def test_it_ends_and_does_not_pass(behaviour: Behaviour) -> None:
    code, out, err = asyncio.run(against(behaviour))
    assert code in (1, 3), out + err
    results = [r for r in map(json.loads, out.splitlines()) if r["type"] == "check.result"]
    assert len(results) >= len(RULES.split(","))
    assert all(result["detail"] for result in results)
    assert [r for r in results if r["status"] == "fail" or r.get("unmeasured")]
