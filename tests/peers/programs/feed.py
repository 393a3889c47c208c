"""A feed on `websockets` or aiohttp with every mishap on purpose; prints {"port": N}.

Both do the same script for each connection: numbered messages of two keys every 15 ms, of which one
is left out, one comes twice and two change places; then nothing for `--pause` seconds, in which
eleven numbers pass; then 150 at once; then on as before, to the end of `--lasts`, if that is
given, when the connection is cut without a Close. Numbers go on over all connections, as those of
a market do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import AsyncIterator

EVERY_S = 0.015
SKIPPED, REPEATED, SWAPPED = 10, 20, 30
PAUSE_AT, LOST, BURST = 60, 10, 150


class Feed:
    """The numbers of both keys, wherever they are sent to; a clock moves them on meanwhile."""

    def __init__(self) -> None:
        self.number = 0

    def message(self, number: int) -> list[str]:
        now = int(time.time() * 1000)
        return [
            json.dumps({"data": {"symbol": key, "seq": number, "ts": now}})
            for key in ("btc", "eth")
        ]

    async def run(self, pause_s: float, lasts_s: float) -> AsyncIterator[list[str]]:
        """What to send, at its time."""
        began, sent = time.monotonic(), 0
        while not lasts_s or time.monotonic() < began + lasts_s:
            self.number += 1
            sent += 1
            if sent == SKIPPED:
                continue
            if sent == PAUSE_AT and pause_s:
                self.number += LOST
                await asyncio.sleep(pause_s)
                held = []
                for _ in range(BURST):
                    self.number += 1
                    held += self.message(self.number)
                yield held
                continue
            messages = self.message(self.number)
            if sent == REPEATED:
                messages += messages
            if sent == SWAPPED:
                self.number += 1
                messages = self.message(self.number) + messages
            yield messages
            await asyncio.sleep(EVERY_S)


async def on_websockets(given: argparse.Namespace, feed: Feed) -> int:
    from websockets.asyncio.server import ServerConnection, serve

    async def handle(connection: ServerConnection) -> None:
        await connection.recv()  # the subscription
        async for messages in feed.run(given.pause, given.lasts):
            for message in messages:
                await connection.send(message)
        connection.transport.abort()

    server = await serve(handle, given.host, 0)
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


async def on_aiohttp(given: argparse.Namespace, feed: Feed) -> int:
    from aiohttp import WSMsgType, web

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()  # the subscription

        async def push() -> None:
            async for messages in feed.run(given.pause, given.lasts):
                for message in messages:
                    await socket.send_str(message)
            if request.transport is not None:
                request.transport.abort()

        pushing = asyncio.create_task(push())
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        pushing.cancel()
        return socket

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, given.host, 0).start()
    port: int = runner.addresses[0][1]
    return port


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--library", choices=("websockets", "aiohttp"), default="websockets")
    parser.add_argument("--pause", type=float, default=1.5)
    parser.add_argument("--lasts", type=float, default=0.0)
    given = parser.parse_args()
    start = on_websockets if given.library == "websockets" else on_aiohttp
    port = await start(given, Feed())
    print(json.dumps({"port": port}), flush=True)
    await asyncio.Future()


asyncio.run(main())
