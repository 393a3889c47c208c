"""What a 101 answer will say, before it is written: faults may change it."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.protocol.deflate import DeflateOffer


@dataclass(slots=True)
class Terms:
    """The server's side of the agreement; `deflate` None: permessage-deflate is not granted."""

    subprotocol: str | None
    deflate: DeflateOffer | None
    headers: list[tuple[str, str]] = field(default_factory=list)
    """Others that the answer carries: a relay's come from the upstream."""


def with_header(reply: bytes, name: str, value: str | None) -> bytes:
    """An HTTP head with one header replaced, added, or (None) left out."""
    head, end, rest = reply.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    wanted = name.lower().encode() + b":"
    kept = [line for line in lines if not line.lower().startswith(wanted)]
    if value is not None:
        kept.append(f"{name}: {value}".encode())
    return b"\r\n".join(kept) + end + rest
