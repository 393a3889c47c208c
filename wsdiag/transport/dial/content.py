"""What follows the head of an answer over HTTP/2 or 3: a refusal's body, a page's content."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from wsdiag.protocol.extended_connect import is_ordinary
from wsdiag.protocol.http import Response
from wsdiag.transport.report import Progress
from wsdiag.transport.stream.stream_reader import BODY_WAIT_S

if TYPE_CHECKING:
    from wsdiag.transport.stream.held_input import HeldInput

Until = Callable[[Callable[[], bool]], Awaitable[None]]
"""Waits for something that the peer does."""

_MAX_BODY = 4096


async def has_content(
    stream: HeldInput, response: Response, until: Until, progress: Progress
) -> bool:
    """Whether a 200 opens nothing, being an answer as to any request: a web page.

    Its headers say that there is some content; so what follows them is waited for, and looked at.
    """
    if response.header("Content-Type") is None:
        return False
    await _soon(until, lambda: stream.held_bytes > 0 or stream.ended is not None, progress)
    ended = stream.ended is not None and stream.ended.how == "fin"
    return is_ordinary(response, stream.held, ended=ended)


async def with_body(
    stream: HeldInput, response: Response, until: Until, progress: Progress
) -> Response:
    """The refusal with the beginning of its body."""
    whole = lambda: stream.ended is not None or stream.held_bytes >= _MAX_BODY  # noqa: E731
    await _soon(until, whole, progress)
    return replace(response, body=stream.take_held()[:_MAX_BODY])


async def _soon(until: Until, done: Callable[[], bool], progress: Progress) -> None:
    """Wait, not for long: it only helps, and the deadline would forget what is known already."""
    left_s = BODY_WAIT_S
    if progress.until_s is not None:
        left_s = min(left_s, 0.8 * (progress.until_s - asyncio.get_running_loop().time()))
    with suppress(TimeoutError):
        async with asyncio.timeout(left_s):
            await until(done)
