"""The manual page wsdiag(1): prose from `wsdiag.1.in`, commands and options as declared."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from importlib.resources import files

from wsdiag.cli.options import OUTPUT, PROTOCOL, REQUEST, ROUTE, TLS
from wsdiag.cli.reference.model import Command, CommandLine, Flag
from wsdiag.version import __version__

_SHARED = (REQUEST, PROTOCOL, TLS, ROUTE)
_SHARERS = ("connect", "ping", "idle-probe", "stream", "path", "check")
# Troff's own characters: ASCII ones would come out as typographic dashes, quotes and carets.
_ROFF = str.maketrans(
    {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", "…": "..."}
)


def manual(line: CommandLine) -> str:
    """The page's source in man(7) macros."""
    commands = {command.name: command for command in line.commands}
    text = files("wsdiag.cli.reference").joinpath("wsdiag.1.in").read_text("utf-8")
    made = {
        "VERSION": __version__,
        "SYNOPSIS": "\n".join(_synopsis(command) for command in line.commands),
        "TOP": _options(line.top),
        "COMMANDS": "\n".join(_command(command, line.top) for command in line.commands),
        "CONNECTION": "\n".join(
            _panel(title, flags)
            for title, flags in commands["connect"].panels().items()
            if title in _SHARED
        ),
        "OUTPUT": _options(f for f in commands["connect"].panels()[OUTPUT] if _is_shared(f)),
    }
    for name, value in made.items():
        text = text.replace(f"@{name}@", value)
    return text


def _synopsis(command: Command) -> str:
    operand = "" if command.operand is None else f" \\fI{_roff(command.operand.value)}\\fR"
    return f".B wsdiag {_roff(command.name)}\n[\\fIOPTION\\fR]...{operand}\n.br"


def _command(command: Command, top: Sequence[Flag]) -> str:
    rows = [f'.SS "wsdiag {_roff(command.name)}"', _roff(command.help)]
    for paragraph in command.prose:
        rows += [".PP", _filled(_roff(paragraph))]
    if command.operand is not None:
        rows += [
            ".TP",
            f"\\fI{_roff(command.operand.value)}\\fR",
            _filled(_roff(command.operand.help)),
        ]
    for title, flags in command.panels().items():
        if own := [flag for flag in flags if _is_own(flag, title, command, top)]:
            rows.append(_panel(title, own))
    rows += [".PP", "Examples:", ".PP", ".nf", ".RS 2"]
    return "\n".join([*rows, *map(_roff, command.examples), ".RE", ".fi"])


def _is_shared(flag: Flag) -> bool:
    """Whether all commands that connect have it, in the group of output options."""
    return not {"--output", "--junit", "-h", "--help"} & set(flag.names)


def _is_own(flag: Flag, title: str, command: Command, top: Sequence[Flag]) -> bool:
    if flag in top:
        return False
    if command.name not in _SHARERS:
        return True
    return title not in _SHARED and not (title == OUTPUT and _is_shared(flag))


def _panel(title: str, flags: Iterable[Flag]) -> str:
    return f".PP\n\\fI{_roff(title)}\\fR\n{_options(flags)}"


def _options(flags: Iterable[Flag]) -> str:
    rows = []
    for flag in flags:
        names = ", ".join(f"\\fB{_roff(name)}\\fR" for name in flag.names)
        value = f" \\fI{_roff(flag.value)}\\fR" if flag.value else ""
        default = f" Default: {_roff(flag.default)}." if flag.default is not None else ""
        rows += [".TP", names + value, _filled(_roff(flag.help) + default)]
    return "\n".join(rows)


def _roff(text: str) -> str:
    return _guarded(text.translate(_ROFF))


def _guarded(text: str) -> str:
    """A line that begins with a dot or a quote is text, not a request."""
    return f"\\&{text}" if text[:1] in (".", "'") else text


def _filled(text: str) -> str:
    """Short lines, a sentence beginning one of its own: so troff knows where one ends."""
    lines = [
        line
        for sentence in text.replace(". ", ".\n").splitlines()
        for line in textwrap.wrap(sentence, 79, break_on_hyphens=False)
    ]
    return "\n".join(map(_guarded, lines))
