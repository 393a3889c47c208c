"""`ping-burst` against servers that answer all Pings, the last one only, none, or in disorder."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.scripted import ScriptedClient, scripted
from tests.integration.server.serving import serving
from tests.peers.peers import Peers
from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.probes.check.runner import CheckRun
from wsdiag.protocol.codes import Opcode
from wsdiag.records import CheckResult


async def result_of(url: str) -> CheckResult:
    options = CheckOptions(conformance=True, only=("ping-burst",), timeout_s=2)
    run = CheckRun([Endpoint(url=url, check=options)], jobs=1, on_progress=lambda _: None)
    (report,) = [report async for report in run.reports()]
    (result,) = report.results
    return result


def answers(pings: list[bytes], kind: str) -> list[bytes]:
    if kind == "last":
        return pings[-1:]
    return pings[:-1] if kind == "but-last" else [pings[1], pings[0], *pings[2:]]


async def judged(kind: str) -> CheckResult:
    async def answer(client: ScriptedClient) -> None:
        pings: list[bytes] = []
        async for frame in client.frames():
            if frame.opcode is not Opcode.PING:
                continue
            pings.append(frame.payload)
            if len(pings) == 10:
                for payload in answers(pings, kind):
                    client.send(Opcode.PONG, payload)

    async with scripted(answer) as (url, _):
        return await result_of(url)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("last", "pass", "1 of 10 at once answered, the last among them"),
        ("but-last", "fail", "9 of 10 Pings at once answered, the last not within 2 s"),
        ("swapped", "warn", "Pongs came in another order than their Pings"),
    ],
)
def test_the_last_is_owed_and_order_is_expected(kind: str, status: str, said: str) -> None:
    result = asyncio.run(judged(kind))
    assert (result.status, result.detail) == (status, said)


def test_serve_without_pongs_fails() -> None:
    with serving() as server:
        result = asyncio.run(result_of(server.url + "/no-pong"))
    assert result.status == "fail"
    assert "0 of 10" in result.detail


@pytest.mark.parametrize("server", ["websockets", "aiohttp", "uvicorn"])
def test_libraries_pass(peers: Peers, server: str) -> None:
    result = asyncio.run(result_of(getattr(peers, server)().url))
    assert result.status == "pass", result.detail


@pytest.mark.node
def test_ws_passes(peers: Peers) -> None:
    result = asyncio.run(result_of(peers.node_ws().url))
    assert result.status == "pass", result.detail
