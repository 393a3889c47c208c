"""An echo client made of wsdiag.transport: `python tests/conformance/echo_client.py URL`.

Connects with permessage-deflate offered, sends every message back with its type until the peer
closes, and exits 0; 1 when no connection came about. It is how conformance suites drive our client.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wsdiag.protocol.events import BinaryMessage, Close, TextMessage, Violation
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session, SessionEnded

# Sixteen MiB is what the largest cases send; room for one byte more would do.
OPTIONS = DialOptions(compression=True, max_message_size=32 * 2**20, proxy="")


async def echo(url: str, options: DialOptions = OPTIONS) -> None:
    """Connect and echo until the peer closes, breaks a rule or goes away; DialError otherwise."""
    session = await dial(url, options)
    try:
        while not await _echo_one(session):
            while session.stream.unsent and session.ended is None:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    except SessionEnded:
        return
    await session.close()


async def _echo_one(session: Session) -> bool:
    """Answer the next event; True when it was the last."""
    received = await session.receive()
    match received and received.event:
        case TextMessage(text):
            session.send_text(text, stamp=False)
        case BinaryMessage(data):
            session.send_binary(data, stamp=False)
        case Close() | Violation():
            return True
    return False


def main(argv: list[str]) -> int:
    """The program; its exit code."""
    if len(argv) != 2:
        print(f"usage: {argv[0]} URL", file=sys.stderr)
        return 2
    try:
        asyncio.run(echo(argv[1]))
    except DialError as error:
        print(f"{error.phase}: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
