"""What reads a peer's text takes time in proportion to it, whatever the text is."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from wsdiag.credentials import find_jwts, secrets_in
from wsdiag.protocol.headers import parse_extensions, parse_tokens
from wsdiag.render.base.escape import escape, fold
from wsdiag.render.base.redact import Redactor

REDACTOR = Redactor(["correct-horse", "a" * 5000, '{"type":"connection_init"}' * 9])
READERS: dict[str, Callable[[str], object]] = {
    "text": REDACTOR.text,
    "header": lambda text: REDACTOR.header("X-Other", text),
    "cookies": lambda text: REDACTOR.header("Set-Cookie", text),
    "subprotocols": lambda text: REDACTOR.header("Sec-WebSocket-Protocol", text),
    "what a user gave": secrets_in,
    "tokens": lambda text: list(find_jwts(text)),
    "escaping": escape,
    "folding": fold,
    "extensions": parse_extensions,
    "list": parse_tokens,
}
REPEATED = (
    *("a", "a:", "a.", "a,", "a;", 'a;b="', "-", ", ", " ", "\t", "\n", "é", "…", "\x1b"),
    *("://", "://a@", "@", "://USER:PASSWORD@HOST", "?token=", "&a=", "=", "?", "%41", "["),
    *("eyJ", "eyJa.", "eyJ-", "-eyJ", "eyJhbGciOi.", '"', '"a":', '"token":"', '\\"token\\":\\"'),
    *("cookie:", "cookie ", "authorization", "x-token: a\n", "Bearer ", "correct", '{"type'),
)
SMALL, LARGE = 1 << 12, 1 << 16


def cpu_s(read: Callable[[str], object], text: str, times: int = 1) -> float:
    best = 1e9
    for _ in range(times):
        began = time.thread_time()
        with suppress(ValueError):
            read(text)
        best = min(best, time.thread_time() - began)
    return best


@pytest.mark.parametrize("reader", READERS)
def test_sixteen_times_the_text_is_no_more_than_forty_times_the_work(reader: str) -> None:
    """2.5 for each doubling would be 39 for four of them; what is quadratic takes 256 times."""
    read = READERS[reader]
    slow = {}
    for unit in REPEATED:
        small, large = ((unit * (size // len(unit) + 1))[:size] for size in (SMALL, LARGE))
        if cpu_s(read, large) > 0.02:  # seldom: then it is measured with more care
            before, after = cpu_s(read, small, 5), cpu_s(read, large, 3)
            if after > 39 * before:
                slow[unit] = (before, after)
    assert slow == {}


def test_sixty_kilobytes_are_masked_at_once() -> None:
    for unit in REPEATED:
        assert cpu_s(REDACTOR.text, (unit * 61440)[:61440], 3) < 0.1, unit
