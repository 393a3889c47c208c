"""`idle-probe --http2`: which end was it, and what keeps a stream alive. Times are scaled down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

import wsdiag
from tests.integration.lag import in_time
from wsdiag.transport.dial.options import DialOptions


@asynccontextmanager
async def fronted(port: int, idle_s: float | None) -> AsyncIterator[int]:
    """The port of a front that drops connections, whatever is in them, when they are idle."""
    if idle_s is None:
        yield port
        return
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        active_s = loop.time()

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            nonlocal active_s
            while data := await source.read(65536):
                active_s = loop.time()
                sink.write(data)

        ways = [asyncio.create_task(copy(reader, back)), asyncio.create_task(copy(there, writer))]
        while (left_s := active_s + idle_s - loop.time()) > 0 and not any(w.done() for w in ways):
            await asyncio.wait(ways, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        writer.close()
        back.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as front:
        yield front.sockets[0].getsockname()[1]


def probed(
    path: str, *, front_idle_s: float | None = None, **options: object
) -> tuple[wsdiag.IdleVerdict, list[wsdiag.IdleTrial]]:
    async def go() -> list[wsdiag.IdleEvent]:
        async with wsdiag.serve(http2=True) as server, fronted(server.port, front_idle_s) as port:
            url = f"ws://127.0.0.1:{port}{path}"
            probe = partial(wsdiag.idle_probe, url, dial=DialOptions(http_version="2"))
            events = probe(
                from_s=0.5,
                to_s=2.5,
                step_s=0.5,
                keepalive_s=0.4,
                pong_timeout_s=3.0,
                **options,  # type: ignore[arg-type]
            )
            return [event async for event in events]

    # endpoint and front run in this loop too, and are as late as it is
    events = asyncio.run(in_time(go, good_s=0.1, most_s=0.3))
    trials = [event for event in events if isinstance(event, wsdiag.IdleTrial)]
    (verdict,) = [event for event in events if isinstance(event, wsdiag.IdleVerdict)]
    return verdict, trials


def test_a_timer_for_streams_does_not_count_http2_pings() -> None:
    verdict, trials = probed("/idle/1.2?drop=rst")
    assert verdict.verdict == "idle-timeout"
    assert verdict.drop is not None
    assert (verdict.drop.how, verdict.drop.code, verdict.drop.reason) == ("rst-stream", 8, "CANCEL")
    assert verdict.keepalives["h2-ping"] == "drops"
    assert verdict.keepalives["ping"] == "holds"
    assert any(trial.trial == "h2-ping" for trial in trials)
    assert not any(trial.shared for trial in trials)


@pytest.mark.parametrize(
    ("path", "how", "words"),
    [
        ("/http2/goaway/1.2?code=11&debug=calm", "goaway", "what was dropped is the connection"),
        ("/idle/1.2?drop=rst", "rst-stream", "what is dropped are streams"),
    ],
)
def test_streams_of_one_connection_end_with_it_or_alone(path: str, how: str, words: str) -> None:
    verdict, trials = probed(path, one_connection=True)
    assert verdict.drop is not None
    assert verdict.drop.how == how
    assert any(words in sentence for sentence in verdict.explanation), verdict.explanation
    assert {trial.trial for trial in trials if trial.shared} == {"idle"}


def test_what_is_not_dropped_is_alive_on_one_connection_too() -> None:
    verdict, trials = probed("/echo", one_connection=True)
    assert verdict.verdict == "no-drop"
    assert all(trial.outcome == "alive" for trial in trials), trials


def test_a_probe_of_one_stream_does_not_hide_what_drops_the_connection() -> None:
    verdict, trials = probed("/echo", front_idle_s=1.2, one_connection=True, trials=("idle",))
    assert verdict.verdict == "idle-timeout", verdict.explanation
    assert {trial.idle_for_s for trial in trials if trial.shared} == {None}
    assert any("what was dropped is the connection" in said for said in verdict.explanation)
    assert {trial.trial for trial in trials} == {"idle"}  # no other was asked for
