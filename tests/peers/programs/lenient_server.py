"""A server that upgrades properly and then breaks the receiving side of RFC 6455 on purpose.

`manner`: `accept` takes everything and answers Pings; `drop` ends TCP at the first frame that is
no Ping; `wrong-code` answers such a frame with Close 1000; `freeze` answers nothing after it;
`keep-tcp` fails the connection as it should and never ends TCP; `version` and `key` accept what
the handshake must refuse; `any-subprotocol`, `any-extension` agree to whatever was offered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def answer(head: bytes, manner: str) -> bytes:
    lines = head.decode().split("\r\n")[1:]
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    key = headers.get("sec-websocket-key", "")
    if manner != "version" and headers.get("sec-websocket-version") != "13":
        return b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\r\n"
    if manner != "key" and len(key) != 24:
        return b"HTTP/1.1 400 Bad Request\r\n\r\n"
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
    said = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}"]  # fmt: skip
    offered = headers.get("sec-websocket-protocol")
    if manner == "any-subprotocol":
        said.append(f"Sec-WebSocket-Protocol: {offered or 'chat'}")
    if manner == "any-extension":
        said.append("Sec-WebSocket-Extensions: x-anything")
    return ("\r\n".join(said) + "\r\n\r\n").encode()


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """(first byte, mask, payload): whatever they are."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big") % (1 << 32)
    mask = await reader.readexactly(4) if second & 0x80 else b""
    data = await reader.readexactly(length)
    plain = bytes(b ^ mask[i % 4] for i, b in enumerate(data)) if mask else data
    return first, mask, plain


async def serve(manner: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        said = answer(await reader.readuntil(b"\r\n\r\n"), manner)
        writer.write(said)
        while said.startswith(b"HTTP/1.1 101"):
            first, _, payload = await read_frame(reader)
            if first == 0x89 and len(payload) < 126:
                writer.write(bytes([0x8A, len(payload)]) + payload)
            elif manner == "drop":
                break
            elif manner == "wrong-code":
                writer.write(b"\x88\x02\x03\xe8")
                break
            elif manner == "freeze":
                await asyncio.sleep(3600)
            elif manner == "keep-tcp":
                writer.write(b"\x88\x02\x03\xea")
                await asyncio.sleep(3600)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--manner", default="accept")
    given = parser.parse_args()
    server = await asyncio.start_server(lambda r, w: serve(given.manner, r, w), given.host, 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
