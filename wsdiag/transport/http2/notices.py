"""What a peer says of an HTTP/2 connection without ending it; nothing on its streams tells that."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from wsdiag.transport.stream.ends import StreamEnd, error_name
from wsdiag.transport.stream.stamps import Arrival

_MOST = 4


class Notice(NamedTuple):
    """One of them, as what follows "the server sent"."""

    text: str
    at: Arrival


class Notices:
    """All that was said, each once; `on_notice` hears of it."""

    def __init__(self) -> None:
        self.heard: list[Notice] = []
        self.on_notice: Callable[[Notice], None] | None = None

    def goaway(self, said: StreamEnd) -> None:
        """A GOAWAY that leaves streams open."""
        debug = f" ({said.detail!r})" if said.detail else ""
        name = error_name(said.code or 0)
        text = "it will end the connection, and goes on with this stream (RFC 9113, 6.8)"
        self._add(Notice(f"GOAWAY {name}{debug}: {text}", said.at))

    def withdrawn(self, at: Arrival) -> None:
        """SETTINGS that no longer allow extended CONNECT."""
        text = "from 1 to 0, which a server must not do (RFC 8441, 3): new WebSockets may fail"
        self._add(Notice(f"SETTINGS that turn ENABLE_CONNECT_PROTOCOL {text}", at))

    def _add(self, notice: Notice) -> None:
        if len(self.heard) < _MOST and all(each.text != notice.text for each in self.heard):
            self.heard.append(notice)
            if self.on_notice is not None:
                self.on_notice(notice)
