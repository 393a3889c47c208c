"""rich's console over one of our streams, coloured as the user and the environment ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rich.console import Console

from wsdiag.render.base.streams import SafeStream

ColorMode = Literal["auto", "always", "never"]


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave the decision to the caller instead of exiting with 1 as rich does."""
        raise BrokenPipeError


def make_console(
    stream: SafeStream, color: ColorMode, environ: Mapping[str, str], width: int | None
) -> Console:
    """A console that writes to `stream`; `width` in columns, None: as the terminal says."""
    colored = _wants_color(stream, color, environ)
    return _Console(
        file=stream,  # type: ignore[arg-type]
        force_terminal=colored or stream.isatty(),
        color_system=_color_system(environ) if colored else None,
        no_color=not colored,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        _environ=environ,
    )


def _color_system(environ: Mapping[str, str]) -> Literal["auto", "standard"]:
    # a stream that is no terminal, as under --color always in CI, has no TERM to ask
    return "auto" if environ.get("TERM", "") not in ("", "dumb", "unknown") else "standard"


def _wants_color(stream: SafeStream, color: ColorMode, environ: Mapping[str, str]) -> bool:
    if color != "auto":
        return color == "always"
    if environ.get("NO_COLOR"):  # https://no-color.org: present and not empty
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] not in ("0", "false")
    return stream.isatty() and environ.get("TERM", "") != "dumb"
