"""The hops of a path under each other: routers, the end of TCP, the endpoint behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from wsdiag.records import PathHop
from wsdiag.render.base.glyphs import Glyphs
from wsdiag.units import format_ms, format_percent

_COLUMNS = ("Loss", "Last", "Avg", "Best", "Worst", "Jitter")
_FEWEST_COLUMNS = 3
_WIDTH, _NUMBER = 8, 4
_LEAST_ROOM = 24
_NAMED = {
    "tcp-end": "where TCP ends",
    "http2-end": "where HTTP/2 ends (its PING)",
    "endpoint": "endpoint (WebSocket Pong)",
}


def table_lines(rows: Sequence[PathHop], width: int, glyphs: Glyphs) -> list[Text]:
    """A heading, and a line for each row, or more where several answered; none wider than this."""
    wanted = max([_LEAST_ROOM, *(len(a) + 2 for row in rows for a in row.addresses)])
    count = min(max((width - _NUMBER - wanted) // _WIDTH, _FEWEST_COLUMNS), len(_COLUMNS))
    columns = _COLUMNS[:count]  # an address is shown whole where that is possible
    room = max(width - _NUMBER - _WIDTH * count, 12)
    head = Text(" " * _NUMBER + "Hop".ljust(room), style="dim")
    head.append("".join(name.rjust(_WIDTH) for name in columns))
    lines = [head]
    for row in rows:
        lines += _lines(row, room, width, columns, glyphs)
    for line in lines:
        line.no_wrap, line.overflow = True, "crop"
    return lines


def _lines(
    row: PathHop, room: int, width: int, columns: Sequence[str], glyphs: Glyphs
) -> Iterator[Text]:
    number = "" if row.hop is None else str(row.hop)
    if row.hop is None and row.kind == "tcp-end":
        number = "?"
    line = Text(number.rjust(_NUMBER - 1) + " ", style="" if row.kind == "router" else "bold")
    first, *others = _who(row)
    line.append(_fit(first, room - 1, glyphs).ljust(room), style=_style(row))
    figures = {
        "Loss": format_percent(row.loss_pct) if row.sent else "",
        "Last": format_ms(row.last_ms),
        "Avg": format_ms(row.avg_ms),
        "Best": format_ms(row.best_ms),
        "Worst": format_ms(row.worst_ms),
        "Jitter": format_ms(row.jitter_ms) if row.received > 1 else "",
    }
    for name in columns:
        shown = figures[name] if name == "Loss" or row.received else ""
        line.append(shown.rjust(_WIDTH), style="yellow" if name == "Loss" and row.loss_pct else "")
    yield line
    for other in others:
        yield Text(" " * _NUMBER + _fit(other, width - _NUMBER, glyphs), style="dim")


def _who(row: PathHop) -> list[str]:
    """Who a row is: address, name and marks; further addresses on lines of their own."""
    marks = (" N" if row.nat else "") + (" (SYN)" if row.other_flow else "")
    if row.kind == "router":
        if row.address is None:
            return ["(answers, address unknown)" if row.received else "(no answer)"]
        first, *rest = _address(row)
        return [first + marks, *rest, *(each for each in row.addresses if each != row.address)]
    if row.kind in ("http2-end", "endpoint"):
        return [_NAMED[row.kind]]
    said = [row.product or _NAMED[row.kind]]
    said += [f"{name}: {text}" for name, text in (("Server", row.server), ("Via", row.via)) if text]
    return [*_address(row), ", ".join(said)]


def _address(row: PathHop) -> list[str]:
    """The address; with a name, the name, and the address on a line of its own."""
    address = row.address or ""
    return [address] if row.name is None else [row.name, address]


def _style(row: PathHop) -> str:
    if row.kind == "router":
        return "" if row.received else "dim"
    return "bold cyan" if row.kind == "endpoint" else "bold"


def _fit(text: str, width: int, glyphs: Glyphs) -> str:
    if len(text) <= width:
        return text
    return text[: width - len(glyphs.ellipsis)] + glyphs.ellipsis
