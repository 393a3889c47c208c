"""An echo server on Hypercorn: h2 and h3 over TLS, h2c without; prints {"port": N}."""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echoes messages; any other request gets a line of text."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] != "websocket.disconnect":
            kind = "text" if message.get("text") is not None else "bytes"
            await send({"type": "websocket.send", kind: message[kind]})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hi"})


async def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--host", "--cert", "--key"):
        parser.add_argument(name)
    args = parser.parse_args()
    with socket.socket() as sock, socket.socket(type=socket.SOCK_DGRAM) as udp:
        sock.bind((args.host, 0))
        port = sock.getsockname()[1]
        udp.bind((args.host, port))  # HTTP/3 has the same port
    config = Config()
    config.bind = [f"{args.host}:{port}"]
    config.lifespan = "off"  # type: ignore[attr-defined]
    if args.cert:
        config.certfile, config.keyfile = args.cert, args.key
        config.quic_bind = [f"{args.host}:{port}"]
    print(json.dumps({"port": port}), flush=True)
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)  # type: ignore[arg-type]


asyncio.run(main())
