"""Messages that carry no data, or perhaps none: heartbeats of protocols that are not known.

Those that name themselves so are counted, and are no messages: a feed that sends only them is mute.
Others may look like data: one message that comes again and again, slowly, byte by byte the same, is
told, but not judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsdiag.probes.common.messages import as_text
from wsdiag.units import counted, format_duration, times

_FEWEST, _SLOWER_THAN_S = 5, 0.5
_SHOWN_CHARS = 60


class Heartbeats:
    """One URL's; times in seconds of one monotonic clock."""

    __slots__ = ("_again", "_again_from_s", "_again_last_s", "_last", "_said", "count")

    def __init__(self) -> None:
        self.count = 0
        self._said = ""
        self._last: str | bytes | None = None
        self._again = 0
        self._again_from_s = self._again_last_s = 0.0

    def named(self, message: str | bytes) -> None:
        """Count a message that says that it is a heartbeat."""
        self._said = self._said or _shown(message)
        self.count += 1

    def message(self, message: str | bytes | None, at_s: float) -> None:
        """Look at one that counts as data; None: it is not known whole, and is like no other."""
        if message is None or message != self._last:
            self._last, self._again, self._again_from_s = message, 0, at_s
        self._again += 1
        self._again_last_s = at_s

    def words(self) -> Iterator[str]:
        """Sentences about them."""
        if self.count:
            yield (
                f"{counted(self.count, 'message')} said to be a heartbeat ({self._said}) and "
                "counted as no data: --dialect none counts all of them."
            )
        span_s = self._again_last_s - self._again_from_s
        if self._again >= _FEWEST and span_s >= _SLOWER_THAN_S * self._again:
            assert self._last is not None
            yield (
                f"In the end one message came {times(self._again)} within "
                f"{format_duration(span_s)} and no other: {_shown(self._last)}. If it is a "
                "heartbeat, there was no data."
            )


def _shown(message: str | bytes) -> str:
    text = as_text(message)
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
