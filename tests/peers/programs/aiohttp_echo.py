"""An echo server on aiohttp; prints {"port": N} once it listens. Pongs can be held back."""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

Handler = Callable[[web.Request], Awaitable[web.WebSocketResponse]]


def make_handler(heartbeat: float | None, pong_delay: float) -> Handler:
    async def answer_late(socket: web.WebSocketResponse, payload: bytes) -> None:
        await asyncio.sleep(pong_delay)
        if not socket.closed:
            await socket.pong(payload)

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=heartbeat, autoping=pong_delay == 0)
        await socket.prepare(request)
        waiting: set[asyncio.Task[None]] = set()
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                task = asyncio.create_task(answer_late(socket, message.data))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
        return socket

    return handle


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--heartbeat", type=float)
    parser.add_argument("--pong-delay", type=float, default=0.0)
    given = parser.parse_args()
    context = None
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
    app = web.Application()
    app.router.add_get("/{path:.*}", make_handler(given.heartbeat, given.pong_delay))
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, given.host, given.port, ssl_context=context).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Future()


asyncio.run(main())
