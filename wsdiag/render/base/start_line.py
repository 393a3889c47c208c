"""The first line of a run: where it is connected to, and how."""

from __future__ import annotations

from rich.text import Text

from wsdiag.records import PingStart
from wsdiag.records.stream import StreamStart
from wsdiag.render.base.escape import shorten


def start_line(name: str, event: PingStart | StreamStart, more: str = "") -> Text:
    """`name`: of the command, in capitals; `more`: what is known beside, as `; words`."""
    again = f", reconnected ({event.reconnect})" if event.reconnect else ""
    where = f" ({event.address})" if event.address else ""
    where += f" through the proxy {event.proxy}" if event.proxy else ""
    spoken = "" if event.dialect is None else f"; speaks {event.dialect.title}"
    line = Text(
        f"{name} {shorten(event.url)}{where}: {event.clock} timestamps{again}{spoken}{more}"
    )
    if event.hello is not None and event.hello.answer is not None:
        line.append(f"; the hello was answered: {event.hello.answer}")
    if event.asked_again is not None:
        line.append(f"; asked again on a new connection: {event.asked_again}")
    return line
