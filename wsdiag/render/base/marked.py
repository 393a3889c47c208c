"""Text with a mark before every line that it is wrapped to: no line of a peer's looks like ours."""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text


class Marked:
    """`text`, wrapped to what is left of the width, each line after `mark`, (text, style)."""

    def __init__(self, mark: tuple[str, str], text: Text) -> None:
        self._mark, self._text = Text(*mark), text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(options.max_width - self._mark.cell_len, 1)
        for line in self._text.wrap(console, room, overflow="fold") or [Text()]:
            yield Text.assemble(self._mark, line)
