"""A server that upgrades properly and then breaks the receiving side of RFC 6455 on purpose.

`behaviour`: `accept` takes everything and answers Pings; `drop` ends TCP at the first frame that is
no Ping; `wrong-code` answers such a frame with Close 1000; `freeze` answers nothing after it;
`keep-tcp` fails the connection as it should and never ends TCP; `version` and `key` accept what
the handshake must refuse; `any-subprotocol` agrees to whatever was offered, and to `chat` where
nothing was; `one-subprotocol` says `chat` to everybody.

Extensions: `any-extension` grants the first one offered, known or not; `unasked-extension` grants
compression to who did not offer it; `bad-deflate` grants it with a parameter that does not exist;
`deflate` grants it and then accepts everything. `strict` refuses unknown extensions, and compares
Connection and Upgrade with their case, as one string. `ban` refuses everybody, with 403, after
the first request with a version other than 13.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import json

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


banned = False


def is_unusual(headers: dict[str, str]) -> bool:
    """Whether a server that compares strings would not know what to make of this request."""
    usual = headers.get("connection") == "Upgrade" and headers.get("upgrade") == "websocket"
    return not usual or headers.get("sec-websocket-extensions", "p")[0] != "p"


def granted(offer: str | None, behaviour: str) -> str | None:
    """What Sec-WebSocket-Extensions answers."""
    if behaviour == "any-extension" and offer and offer.startswith("x-"):
        return offer.partition(",")[0]
    if behaviour == "unasked-extension" and not offer:
        return "permessage-deflate"
    if behaviour == "bad-deflate" and offer:
        return "permessage-deflate; no_such_parameter"
    return "permessage-deflate" if behaviour == "deflate" and offer else None


def answer(head: bytes, behaviour: str) -> bytes:
    global banned
    lines = head.decode().split("\r\n")[1:]
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
    key = headers.get("sec-websocket-key", "")
    banned = banned or (behaviour == "ban" and headers.get("sec-websocket-version") != "13")
    if banned:
        return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    if behaviour == "strict" and is_unusual(headers):
        return b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    if behaviour != "version" and headers.get("sec-websocket-version") != "13":
        return b"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\n\r\n"
    if behaviour != "key" and len(key) != 24:
        return b"HTTP/1.1 400 Bad Request\r\n\r\n"
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()
    said = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    offered = headers.get("sec-websocket-protocol")
    if behaviour == "any-subprotocol":
        said.append(f"Sec-WebSocket-Protocol: {offered or 'chat'}")
    if behaviour == "one-subprotocol":
        said.append("Sec-WebSocket-Protocol: chat")
    if extension := granted(headers.get("sec-websocket-extensions"), behaviour):
        said.append(f"Sec-WebSocket-Extensions: {extension}")
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


async def serve(behaviour: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        said = answer(await reader.readuntil(b"\r\n\r\n"), behaviour)
        writer.write(said)
        while said.startswith(b"HTTP/1.1 101"):
            first, _, payload = await read_frame(reader)
            if first == 0x89 and len(payload) < 126:
                writer.write(bytes([0x8A, len(payload)]) + payload)
            elif behaviour == "drop":
                break
            elif behaviour == "wrong-code":
                writer.write(b"\x88\x02\x03\xe8")
                break
            elif behaviour == "freeze":
                await asyncio.sleep(3600)
            elif behaviour == "keep-tcp":
                writer.write(b"\x88\x02\x03\xea")
                await asyncio.sleep(3600)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--behaviour", default="accept")
    given = parser.parse_args()
    server = await asyncio.start_server(lambda r, w: serve(given.behaviour, r, w), given.host, 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


asyncio.run(main())
