"""An echo server on the `websockets` library; prints {"port": N} once it listens.

Paths: `/` echoes, `/delay?seconds=S` after a while, `/push?every=SECONDS` sends a text again and
again, `/flood?for=S&pause=S&size=BYTES` sends as fast as it can for a while at a time (`for=0`:
without end), `/close?code=N&reason=R` closes, `/slow` reads slowly. `--block-every` makes the flaw
of many applications: a synchronous call that holds the event loop up. When the process itself did
not run is printed as {"late": [SINCE, UNTIL]}, in Unix time. Two threads print, so each line is
written with its end: print() alone may write that apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import threading
import time
from functools import partial
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.exceptions import ConnectionClosed


async def handle(connection: ServerConnection) -> None:
    assert connection.request is not None
    url = urlsplit(connection.request.path)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if url.path == "/close":
        await connection.close(int(query.get("code", 1000)), query.get("reason", ""))
        return
    try:
        if url.path == "/push":
            while True:
                await connection.send("push")
                await asyncio.sleep(float(query.get("every", 1)))
        if url.path == "/flood":
            await flood(connection, {name: float(value) for name, value in query.items()})
        async for message in connection:
            if url.path == "/slow":
                await asyncio.sleep(0.02)
                continue
            if url.path == "/delay":
                await asyncio.sleep(float(query["seconds"]))
            await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        await connection.wait_closed()
        # 1005: a Close frame without a code; 1006: none at all (RFC 6455, 7.1.5)
        print(json.dumps({"closed": connection.close_code}) + "\n", end="", flush=True)


async def flood(connection: ServerConnection, query: dict[str, float]) -> None:
    message = bytes(int(query.get("size", 65536)))
    while True:
        until_s = time.monotonic() + query.get("for", 0.0)
        while not query.get("for") or time.monotonic() < until_s:
            await connection.send(message)
            await asyncio.sleep(0)
        await asyncio.sleep(query.get("pause", 1.0))


async def block(every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        began = time.time()
        time.sleep(0.3)  # noqa: ASYNC251
        print(json.dumps({"blocked": [began, time.time()]}) + "\n", end="", flush=True)


def note_lateness() -> None:
    """For a thread of its own, so that a busy event loop is not among it."""
    while True:
        due = time.time() + 0.01
        time.sleep(0.01)
        if (now := time.time()) - due > 0.05:
            print(json.dumps({"late": [due, now]}) + "\n", end="", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--ping-interval", type=float)
    parser.add_argument("--no-compression", action="store_true")
    parser.add_argument("--subprotocol", action="append")
    parser.add_argument("--unix")
    parser.add_argument("--max-queue", type=int, default=16)
    parser.add_argument("--block-every", type=float)
    given = parser.parse_args()
    context = None
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
    listen = (
        partial(unix_serve, handle, given.unix)
        if given.unix
        else partial(serve, handle, given.host, given.port)
    )
    async with listen(
        ssl=context,
        max_queue=given.max_queue,
        ping_interval=given.ping_interval,
        compression=None if given.no_compression else "deflate",
        subprotocols=given.subprotocol,
    ) as server:
        port = 0 if given.unix else next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"port": port}) + "\n", end="", flush=True)
        threading.Thread(target=note_lateness, daemon=True).start()
        if given.block_every:
            await block(given.block_every)
        await asyncio.Future()


asyncio.run(main())
