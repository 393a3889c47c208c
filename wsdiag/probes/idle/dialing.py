"""Opening a trial's connection at an endpoint that may not want so many at once."""

from __future__ import annotations

import asyncio

from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Session
from wsdiag.transport.trace import Tracer

TOO_MANY = frozenset({429, 503})
_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0


async def dial_patiently(
    url: str, options: DialOptions, tracer: Tracer | None, *, spread_s: float
) -> Session:
    """An open session, after up to three attempts with growing pauses; else the last DialError.

    `spread_s` keeps lanes that were refused together from coming back together.
    """
    for attempt in range(_ATTEMPTS - 1):
        try:
            return await dial(url, options, tracer=tracer, timestamps=False)
        except DialError as error:
            if not _worth_repeating(error):
                raise
            await asyncio.sleep(_pause(error, attempt) + spread_s)
    return await dial(url, options, tracer=tracer, timestamps=False)


def _worth_repeating(error: DialError) -> bool:
    return error.report.status in TOO_MANY or error.kind in ("refused", "timeout", "closed")


def _pause(error: DialError, attempt: int) -> float:
    """What Retry-After asks for (RFC 9110, 10.2.3), within bounds; else a doubling pause."""
    for name, value in error.report.headers:
        if name.lower() == "retry-after" and value.strip().isdigit():
            return min(float(value), _LONGEST_PAUSE_S)
    return _FIRST_PAUSE_S * float(2**attempt)


def refusal_words(error: DialError) -> str:
    """Why a connection was not opened, in a few words."""
    if error.report.status in TOO_MANY:
        return f"HTTP {error.report.status} {error.report.reason}".strip()
    return error.message
