"""A python-socketio server; prints {"port": N} once it listens."""

from __future__ import annotations

import argparse
import asyncio
import json

import socketio
from aiohttp import web


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--ping-interval", type=float, default=25)
    parser.add_argument("--ping-timeout", type=float, default=20)
    options = parser.parse_args()
    server = socketio.AsyncServer(
        async_mode="aiohttp", ping_interval=options.ping_interval, ping_timeout=options.ping_timeout
    )
    app = web.Application()
    server.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, options.host, 0)
    await site.start()
    assert site._server is not None
    print(json.dumps({"port": site._server.sockets[0].getsockname()[1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
