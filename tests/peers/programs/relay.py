"""A TCP relay (argv: HOST UPSTREAM_HOST UPSTREAM_PORT DELAY_S): holds bytes back, each way."""

from __future__ import annotations

import asyncio
import json
import sys

DELAY_S = float(sys.argv[4])


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1024)

    async def release() -> None:
        while True:
            due, data = await held.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    releasing = asyncio.create_task(release())
    try:
        while True:
            data = await reader.read(65536)
            await held.put((loop.time() + DELAY_S, data))
            if not data:
                await releasing
                return
    finally:
        releasing.cancel()


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writers = [writer]
    try:
        far_reader, far_writer = await asyncio.open_connection(sys.argv[2], int(sys.argv[3]))
        writers.append(far_writer)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
    except OSError:
        pass
    finally:
        for each in writers:
            each.close()


async def main() -> None:
    server = await asyncio.start_server(handle, sys.argv[1], 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
