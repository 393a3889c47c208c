"""What may stand in front of HTTP: the PROXY protocol's header, and SOCKS 4 and 5 (RFC 1928)."""

from __future__ import annotations


def proxy_header(start: bytes) -> tuple[bool, bytes]:
    """(whether the PROXY protocol's header is complete, what follows it); version 1 or 2."""
    if start[:6] == b"PROXY ":
        line, end, rest = start.partition(b"\r\n")
        return bool(end) or len(line) > 107, rest
    length = int.from_bytes(start[14:16], "big")
    return len(start) >= 16 + length, start[16 + length :]


def socks_answer(request: bytes, answer: bytes) -> tuple[bool | None, bytes]:
    """(whether the proxy is connected, what follows its answer); None: more is to come."""
    if request[:1] == b"\x04":
        return answer[1:2] == b"\x5a" if len(answer) >= 8 else None, answer[8:]
    at = 2 + (2 if answer[1:2] == b"\x02" else 0)
    kind = answer[at + 3 : at + 4]
    if kind == b"\x03":
        size = 7 + (answer[at + 4] if len(answer) > at + 4 else 255)
    else:
        size = 22 if kind == b"\x04" else 10
    granted = answer[at : at + 2] == b"\x05\x00"
    return granted if len(answer) >= at + size else None, answer[at + size :]
