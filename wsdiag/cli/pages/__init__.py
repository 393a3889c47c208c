"""Answers that need no measuring, printed as they lie in the package.

They are made from the command line's declarations by `python -m wsdiag.cli.reference`. What makes
them, and typer itself, takes a hundred times as long to import as this takes to print.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise

USAGE = 2
_HELP = ("-h", "--help")
_SHELLS = {
    "bash": "wsdiag.bash",
    "zsh": "_wsdiag",
    "fish": "wsdiag.fish",
    "powershell": "wsdiag.ps1",
}
_HERE = os.path.dirname(__file__)


def answer(words: Sequence[str]) -> int | None:
    """Print what a command line asks for, if it lies here ready; the exit code, or None if not."""
    if list(words) == ["--json-schema"]:
        return _print(_read("..", "..", "render", "base", "schema.json"))
    if len(words) == 2 and words[0] == "completion":
        return _print(script(words[1]))
    name = _page_asked_for(words)
    if name is None or (text := page(name, words)) is None:
        return None
    _print(text.encode())
    return 0 if words else USAGE


def page(
    name: str, words: Sequence[str] = (), environ: Mapping[str, str] = os.environ
) -> str | None:
    """A help page (`ping`, `ping.all`), in bold where stdout shows it; None: there is no such."""
    data = _read(f"{name}.txt")
    if data is None:
        return None
    plain, *rest = data.decode().split("**")
    bold = wants_color(words, environ)
    for number, part in enumerate(rest):
        plain += (("\x1b[1m", "\x1b[0m")[number % 2] if bold else "") + part
    return plain


def script(shell: str) -> bytes | None:
    """The completion script of a shell; None where it is not there ready, or not known."""
    if shell not in _SHELLS:
        return None
    # a wheel has it in the package, a checkout where `completions/` is
    return _read(_SHELLS[shell]) or _read("..", "..", "..", "completions", _SHELLS[shell])


def wants_color(words: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether to colour stdout: by --color, NO_COLOR, FORCE_COLOR, or else on a terminal."""
    asked = " ".join(words).replace("--color=", "--color ").partition("--color ")[2].split(" ")[0]
    if asked in ("always", "never"):
        return asked == "always"
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] not in ("0", "false")
    if os.name == "nt" and "WT_SESSION" not in environ:
        return False  # an old console shows escape sequences as they are
    return sys.stdout is not None and sys.stdout.isatty() and environ.get("TERM", "") != "dumb"


def _page_asked_for(words: Sequence[str]) -> str | None:
    """The page's name; None where there is doubt, for typer to read the line."""
    if not words or words[0] in _HELP or list(words) == ["help"]:
        return "wsdiag"
    if not words[0].replace("-", "").isalpha() or words[0] == "wsdiag":
        return None
    if len(words) == 2 and words[0] == "help" and words[1].replace("-", "").isalpha():
        return f"{words[1]}.all"
    for before, word in pairwise(words):
        if word == "--" or (word in _HELP and before.startswith("-")):
            return None  # this may be an option's value
        if word in _HELP:
            return words[0]
    return None


def _read(*names: str) -> bytes | None:
    path = os.path.normpath(os.path.join(_HERE, *names))
    try:  # by the loader, so that a zip file will do
        return bytes(__loader__.get_data(path))  # type: ignore[name-defined]
    except OSError:
        return None


def _print(data: bytes | None) -> int | None:
    if data is None:
        return None
    try:
        if sys.stdout is not None:  # closed before we began: nobody asked to read it
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None
    return 0
