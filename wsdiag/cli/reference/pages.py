"""Help pages: 80 columns, ASCII, `**bold**`. A short one fits a screen, a full one has all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from wsdiag.cli.exit import ExitCode
from wsdiag.cli.reference.model import Command, Flag

WIDTH = 80
SCREEN = 23
"""Lines of a short page at most: a terminal has 24, and the prompt takes one."""
_MANY = 20
"""Options of a panel from which on a short page has their names only."""
_HELP_COLUMN = 28
"""Column where an option's help begins on a full page."""
_PLAIN = str.maketrans({"…": "...", "·": "-", "–": "-", "—": "-", "’": "'"})

_CODES = {
    ExitCode.OK: "measured, and every limit that was asked for holds",
    ExitCode.NO_ANSWER: "no usable answer: unreachable, refused, not a WebSocket, no replies, lost",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.LIMIT_BROKEN: "measured, but a limit or check that was asked for does not hold",
    ExitCode.INTERRUPTED: "interrupted before anything could be measured",
}
_UNITS = (
    "Durations: 250ms, 2s, 1m30s, or bare seconds (0.5). Sizes: 64, 16k, 4M (powers of 1024). "
    "A URL without a scheme means wss://, and ws:// for localhost and loopback addresses."
)


def overview(commands: Mapping[str, str], top: Sequence[Flag], *, full: bool = False) -> str:
    """`wsdiag -h`: which command answers what; `full`: options, units and codes in words."""
    column = max(map(len, commands)) + 4
    in_brief = [
        _names_only("Options", top, len("Exit codes") + 2),
        "**Exit codes**  0 limits hold, 1 no usable answer, 2 usage, 3 a limit does not hold",
    ]
    in_words = ["**Options**", *(_described(flag, 21) for flag in top), "", *_wrapped(_UNITS), ""]
    return _page(
        [
            "**Usage:** wsdiag COMMAND [OPTION]...",
            "",
            "ping, mtr and curl -v for WebSockets.",
            "",
            "**Commands**",
            *(_hanging(f"  {name}", question, column) for name, question in commands.items()),
            "",
            *([*in_words, *_exit_codes()] if full else in_brief),
            "",
            "**A command's options: wsdiag COMMAND -h. Begin with: wsdiag demo.**",
        ]
    )


def short_page(command: Command) -> str:
    """`wsdiag COMMAND -h`: question, examples, and every option by purpose, on one screen.

    Options are described where there are few; of many there are names and defaults, and names only
    where that would not fit.
    """
    head = _head(command)
    end = ["", f"**=value is the default, a|b the choices. Full help: wsdiag help {command.name}**"]
    close = [row for row in head if row]
    layouts = (
        [*head, *_panels(command)],
        [*head, *_names(command), *end],
        [*close, *_names(command), *end[1:]],
        [*close, *_names(command, bare=True), *end[1:]],
    )
    pages = map(_page, layouts)
    return next((page for page in pages if page.count("\n") <= SCREEN), _page(layouts[-1]))


def full_page(command: Command) -> str:
    """`wsdiag COMMAND --help`: every option with its help, values and defaults."""
    prose = [row for paragraph in command.prose for row in (*_wrapped(paragraph), "")]
    measures = command.operand is not None and "URL" in command.operand.value
    end = [*_wrapped(_UNITS), "", *_exit_codes()] if measures else []
    return _page([*_head(command), *prose, *_panels(command), *end])


def _exit_codes() -> list[str]:
    return ["**Exit codes**", *(f"  {code.value:<3}  {text}" for code, text in _CODES.items())]


def _head(command: Command) -> list[str]:
    usage = f"**Usage:** wsdiag {command.name} {command.synopsis}"
    examples = [f"  {example}" for example in command.examples]
    return [usage, "", *_wrapped(command.help), "", *examples, ""]


def _panels(command: Command) -> list[str]:
    rows = []
    if command.operand is not None:
        rows += ["**Argument**"]
        rows += [_hanging(f"  {command.operand.value}", command.operand.help, _HELP_COLUMN), ""]
    for title, flags in command.panels().items():
        rows += [f"**{title}**", *(_described(flag, _HELP_COLUMN) for flag in flags), ""]
    return rows


def _described(flag: Flag, column: int) -> str:
    """`  -o, --option VALUE   its help [default]`; long names are aligned."""
    indent = "  " if len(flag.names[0]) == 2 else "      "
    value = f" {flag.value}" if flag.value else ""
    default = f" [{flag.default}]" if flag.default is not None else ""
    return _hanging(f"{indent}{', '.join(_folded(flag))}{value}", flag.help + default, column)


def _hanging(start: str, text: str, column: int) -> str:
    """`text` from `column` on, beside `start`, or below it where that is too long."""
    first, *more = _wrapped(text, WIDTH - column) or [""]
    if len(start) + 2 > column:
        return "\n".join([start, *(" " * column + line for line in (first, *more))])
    return "\n".join([start.ljust(column) + first, *(" " * column + line for line in more)])


def _names(command: Command, *, bare: bool = False) -> list[str]:
    """The options of a command by their names, a row or more for each panel."""
    panels = {title.partition(" (")[0]: flags for title, flags in command.panels().items()}
    column = max(map(len, panels)) + 2
    return [
        _names_only(label, [flag for flag in flags if not flag.is_help], column, bare=bare)
        for label, flags in panels.items()
    ]


def _names_only(label: str, flags: Sequence[Flag], column: int, *, bare: bool = False) -> str:
    """`Label  -a/--all  --depth=3 …`, unless `bare` with the defaults or choices of options."""
    lines = [""]
    bare = bare or len(flags) > _MANY
    for word in ("/".join(_folded(flag)) + ("" if bare else _default(flag)) for flag in flags):
        if lines[-1] and column + len(lines[-1]) + 2 + len(word) > WIDTH:
            lines.append("")
        lines[-1] += f"  {word}" if lines[-1] else word
    start = f"**{label}**" + " " * (column - len(label))
    return "\n".join([start + lines[0], *(" " * column + line for line in lines[1:])])


def _folded(flag: Flag) -> list[str]:
    """`--x` and `--no-x` in one: `--[no-]x`."""
    negated = {f"--no-{name[2:]}": name for name in flag.names if name.startswith("--")}
    both = {negated[name] for name in flag.names if name in negated}
    return [
        f"--[no-]{name[2:]}" if name in both else name for name in flag.names if name not in negated
    ]


def _default(flag: Flag) -> str:
    """All choices where an option has a few, the default where it is short."""
    if flag.choices and len(flag.value) <= 24:
        return f"={flag.value}"
    return f"={flag.default}" if flag.default is not None and len(flag.default) < 12 else ""


def _wrapped(text: str, width: int = WIDTH) -> list[str]:
    return textwrap.wrap(text.translate(_PLAIN), width, break_on_hyphens=False)


def _page(rows: Iterable[str]) -> str:
    text = "\n".join(rows).translate(_PLAIN)
    text.encode("ascii")  # a page must print in any locale
    return text.rstrip() + "\n"
