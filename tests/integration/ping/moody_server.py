"""A `websockets` server with a flaw that is asked for: a blocking loop, or slow reading.

Run as a program: prints its port, serves until its stdin closes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection, serve


async def block(every_s: float, for_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        # The flaw itself: a synchronous call that holds the event loop up.
        time.sleep(for_s)  # noqa: ASYNC251


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def echo_after(delay_s: float) -> Callable[[ServerConnection], Awaitable[None]]:
    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            await asyncio.sleep(delay_s)
            await connection.send(message)

    return handler


async def read_slowly(connection: ServerConnection) -> None:
    async for _ in connection:
        await asyncio.sleep(0.02)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--unix")
    parser.add_argument("--block-every", type=float)
    parser.add_argument("--block-for", type=float, default=0.3)
    parser.add_argument("--slow", action="store_true")
    parser.add_argument("--delay", type=float, default=0.0, help="before each echo, in seconds")
    args = parser.parse_args()
    handler = read_slowly if args.slow else echo_after(args.delay) if args.delay else echo
    blocking = args.block_every and asyncio.create_task(block(args.block_every, args.block_for))
    if args.unix:
        from websockets.asyncio.server import unix_serve

        server = await unix_serve(handler, args.unix, ping_interval=None)
    else:
        server = await serve(handler, args.host, 0, ping_interval=None, max_queue=4)
    print(0 if args.unix else server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    if blocking:
        blocking.cancel()


if __name__ == "__main__":
    asyncio.run(main())
