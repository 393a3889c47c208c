"""Answers every connection with the same bytes (argv: HOST FILE), then ends it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path


async def main(answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError, TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, sys.argv[1], 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main(Path(sys.argv[2]).read_bytes()))
