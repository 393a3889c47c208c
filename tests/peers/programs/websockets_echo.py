"""An echo server on the `websockets` library; prints {"port": N} once it listens.

Paths: `/` echoes, `/push?every=SECONDS` sends a text again and again, `/close?code=N&reason=R`
closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
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
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass
    finally:
        await connection.wait_closed()
        # 1005: a Close frame without a code; 1006: none at all (RFC 6455, 7.1.5)
        print(json.dumps({"closed": connection.close_code}), flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--ping-interval", type=float)
    parser.add_argument("--no-compression", action="store_true")
    parser.add_argument("--subprotocol", action="append")
    given = parser.parse_args()
    context = None
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
    async with serve(
        handle,
        given.host,
        given.port,
        ssl=context,
        ping_interval=given.ping_interval,
        compression=None if given.no_compression else "deflate",
        subprotocols=given.subprotocol,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(json.dumps({"port": port}), flush=True)
        await asyncio.Future()


asyncio.run(main())
