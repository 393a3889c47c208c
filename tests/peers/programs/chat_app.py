"""The endpoint that docs/ci.md checks: `/chat` wants a bearer token, `/socket` lets everybody in.

Both answer {"op": "ping"} with {"op": "pong"}, and `ping` with `pong`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from http import HTTPStatus

from websockets.asyncio.server import Request, Response, ServerConnection, serve

TOKEN = "correct-horse"


def guard(connection: ServerConnection, request: Request) -> Response | None:
    allowed = request.headers.get("Authorization") == f"Bearer {TOKEN}"
    if request.path == "/chat" and not allowed:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "a token, please\n")
    return None


async def handle(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send("pong" if message == "ping" else json.dumps({"op": "pong"}))


async def main() -> None:
    parser = argparse.ArgumentParser()
    for option in ("--host", "--cert", "--key"):
        parser.add_argument(option)
    given = parser.parse_args()
    context = None
    if given.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.cert, given.key)
    async with serve(
        handle, given.host, 0, ssl=context, process_request=guard, ping_interval=None
    ) as server:
        print(json.dumps({"port": next(iter(server.sockets)).getsockname()[1]}), flush=True)
        await asyncio.Future()


asyncio.run(main())
