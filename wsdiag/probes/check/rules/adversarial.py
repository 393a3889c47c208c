"""Conformance under attack: bytes that RFC 6455 forbids, each with the failure it demands.

For endpoints that are yours: a server may log, count or ban what this sends. What receivers must
do follows from the section named, or from 10.7: incoming data MUST be validated by both sides.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from wsdiag.probes.check.findings import Finding, skipped, unmeasured
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.rules.response import (
    PeerResponse,
    RequiredResponse,
    judge_response,
    judge_tcp_end,
    provoke,
)
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.await_pong import await_pong
from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.frames import encode_frame

_FRAMING, _FRAGMENTS, _CONTROL = "RFC 6455, 5.2", "RFC 6455, 5.4", "RFC 6455, 5.5"
_CODES, _RANGES, _UTF8 = "RFC 6455, 7.4.1", "RFC 6455, 7.4.2", "RFC 6455, 8.1"

_RSV = "A reserved bit belongs to an extension. Ignoring it misinterprets the frame."
_OPCODE = "A server that forwards or drops unknown frames breaks once an extension defines them."
_SPLIT = "Control frames may come between fragments; one in fragments itself is ambiguous."
_CODE = "These codes describe ends without a Close frame, and must not appear in one."
_RANGE = "A code that nothing defines tells its receiver nothing."
_TEXT = "Invalid UTF-8 would reach the application."
_ORDER = "A message whose fragments cannot be put in order is garbage, or a way past a filter."

_PROTOCOL = RequiredResponse(frozenset({1002}))
_DATA = RequiredResponse(frozenset({1007, 1002}))
_TXT, _CNT, _BIN = int(Opcode.TEXT), int(Opcode.CONT), int(Opcode.BINARY)
_CLS, _PNG, _PON = int(Opcode.CLOSE), int(Opcode.PING), int(Opcode.PONG)


@dataclass(frozen=True, slots=True)
class Attack:
    """Forbidden bytes, built by `payload` with a fresh mask, and what must follow."""

    id: str
    section: str
    why: str
    payload: Callable[[], bytes]
    required: RequiredResponse = _PROTOCOL


def masked(opcode: int, payload: bytes = b"", **how: object) -> bytes:
    """A client's frame, legal or not, with a random mask."""
    return encode_frame(opcode, payload, mask=os.urandom(4), **how)  # type: ignore[arg-type]


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A Close frame with any code at all."""
    return masked(_CLS, code.to_bytes(2, "big") + reason)


def _fragments(*parts: tuple[int, bytes]) -> Callable[[], bytes]:
    return lambda: b"".join(masked(*part, fin=part is parts[-1]) for part in parts)


def _opcode(number: int) -> Attack:
    return Attack(f"opcode-{number:x}", _FRAMING, _OPCODE, lambda: masked(number, b"x"))


def _close_code(code: int, section: str, why: str) -> Attack:
    return Attack(f"close-code-{code}", section, why, lambda: close_frame(code))


ATTACKS: tuple[Attack, ...] = (
    Attack(
        "unmasked-frame",
        "RFC 6455, 5.1",
        "Masks keep scripts from writing bytes of their choice through caches (10.3).",
        lambda: encode_frame(_TXT, b"unmasked"),
        RequiredResponse(frozenset({1002}), close_may_be_left_out=True),
    ),
    Attack("rsv1", _FRAMING, _RSV, lambda: masked(_PNG, b"rsv1", rsv1=True)),
    Attack("rsv2", _FRAMING, _RSV, lambda: masked(_TXT, b"rsv2", rsv2=True)),
    Attack("rsv3", _FRAMING, _RSV, lambda: masked(_TXT, b"rsv3", rsv3=True)),
    *(_opcode(number) for number in (3, 7, 11, 15)),
    Attack(
        "length-top-bit",
        _FRAMING,
        "A length of 2^63 bytes is an overflow waiting to happen.",
        lambda: masked(_BIN, b"", length=1 << 63, length_bits=64),
        RequiredResponse(frozenset({1002, 1009})),
    ),
    Attack(
        "length-not-minimal",
        _FRAMING,
        "Two encodings of one frame let filters and endpoints disagree about it.",
        lambda: masked(_TXT, b"short", length_bits=64),
        RequiredResponse(frozenset({1002}), must=False),
    ),
    Attack("orphan-continuation", _FRAGMENTS, _ORDER, lambda: masked(_CNT, b"of nothing")),
    Attack("interleaved", _FRAGMENTS, _ORDER, _fragments((_TXT, b"a"), (_TXT, b"b"))),
    Attack("ping-fragmented", _CONTROL, _SPLIT, _fragments((_PNG, b"a"), (_CNT, b"b"))),
    Attack("pong-fragmented", _CONTROL, _SPLIT, _fragments((_PON, b"a"), (_CNT, b"b"))),
    Attack("close-fragmented", _CONTROL, _SPLIT, _fragments((_CLS, b"\x03\xe8"), (_CNT, b"b"))),
    Attack(
        "ping-oversize",
        _CONTROL,
        "Control frames must fit into any buffer: 125 bytes.",
        lambda: masked(_PNG, b"x" * 126),
    ),
    Attack(
        "close-oversize",
        _CONTROL,
        "Control frames must fit into any buffer: 125 bytes.",
        lambda: close_frame(1000, b"x" * 124),
    ),
    Attack("utf8-byte", _UTF8, _TEXT, lambda: masked(_TXT, b"caf\xe9!"), _DATA),
    Attack("utf8-overlong", _UTF8, _TEXT, lambda: masked(_TXT, b"\xc0\xaf"), _DATA),
    Attack("utf8-surrogate", _UTF8, _TEXT, lambda: masked(_TXT, b"\xed\xa0\x80"), _DATA),
    Attack("utf8-truncated", _UTF8, _TEXT, lambda: masked(_TXT, b"caf\xc3"), _DATA),
    Attack("utf8-fragmented", _UTF8, _TEXT, _fragments((_TXT, b"\xc3"), (_CNT, b"(")), _DATA),
    Attack(
        "close-one-byte",
        "RFC 6455, 5.5.1",
        "A Close code has two bytes.",
        lambda: masked(_CLS, b"\x03"),
    ),
    Attack(
        "close-reason-utf8", "RFC 6455, 5.5.1", _TEXT, lambda: close_frame(1000, b"\xff\xfe"), _DATA
    ),
    *(_close_code(code, _RANGES, _RANGE) for code in (0, 999)),
    *(_close_code(code, _CODES, _CODE) for code in (1004, 1005, 1006, 1015)),
    *(_close_code(code, _RANGES, _RANGE) for code in (1016, 2999)),
)


def _attack_rule(attack: Attack) -> Rule:
    @Rule(
        attack.id,
        "adversarial",
        attack.why,
        section=attack.section,
        schedule="last",
        worst="fail" if attack.required.must else "warn",
    )
    async def judge(target: CheckTarget) -> Finding:
        async with target.connection(compression=False) as session:
            response = await provoke(session, attack.payload(), target.options.timeout_s)
        return await _judged(target, response, attack.required)

    return judge


async def _judged(
    target: CheckTarget, response: PeerResponse, required: RequiredResponse
) -> Finding:
    """The verdict; silence counts only where a Ping of ours is answered in the same time.

    Raises DialError where TCP ended because the whole server did, and not just this connection.
    """
    timeout_s = target.options.timeout_s
    if response.kind == "end":
        async with target.connection(compression=False):
            pass
    if response.kind == "silent":
        async with target.connection(compression=False) as session:
            if await await_pong(session, timeout_s) is None:
                detail = f"nothing came within {timeout_s:g} s, but then Pings alone"
                return unmeasured(f"{detail} get no Pong either")
    return judge_response(response, required)


def _deflate_rule(
    id: str, why: str, section: str, payload: Callable[[], bytes], required: RequiredResponse
) -> Rule:
    @Rule(id, "adversarial", why, section=section, schedule="last")
    async def judge(target: CheckTarget) -> Finding:
        async with target.connection(compression=True) as session:
            if session.connection.deflate is None:
                return skipped("the server does not use permessage-deflate")
            response = await provoke(session, payload(), target.options.timeout_s)
        return await _judged(target, response, required)

    return judge


attacks = tuple(_attack_rule(attack) for attack in ATTACKS)
deflate_garbage = _deflate_rule(
    "deflate-garbage",
    "Data that cannot be inflated must not reach the application.",
    "RFC 7692, 7.2.2",
    lambda: masked(_TXT, b"\xff" * 32, rsv1=True),
    _DATA,
)
deflate_rsv1_continuation = _deflate_rule(
    "deflate-rsv1-continuation",
    "Only a message's first frame says that it is compressed.",
    "RFC 7692, 6.1",
    lambda: masked(_TXT, b"a", fin=False) + masked(_CNT, b"b", rsv1=True),
    _PROTOCOL,
)


@Rule(
    "failure-ends-tcp",
    "adversarial",
    "Failed connections that stay open are sockets lost to clients that misbehave.",
    section="RFC 6455, 7.1.7",
    schedule="last",
    worst="warn",
)
async def failure_ends_tcp(target: CheckTarget) -> Finding:
    """After failing a connection the server ends TCP."""
    async with target.connection(compression=False) as session:
        response = await provoke(session, masked(3, b"x"), target.options.timeout_s, to_end=True)
        return judge_tcp_end(response, target.options.timeout_s)
