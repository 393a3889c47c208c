"""Save a view as a picture for a ticket (SVG, HTML, Markdown, text); nothing is fetched."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console, RenderableType
from rich.terminal_theme import TerminalTheme

from wsdiag.whole_file import write_whole

WIDTH = 100
"""Columns of a saved view: wide enough for every table, narrow enough for a ticket."""

_FONTS = (
    "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', Menlo, Consolas, 'DejaVu Sans Mono', "
    "'Noto Sans Mono', monospace"
)
# background, foreground, then the eight ANSI colours and their bright ones
_COLORS = (
    "161b22 c9d1d9 "
    "484f58 ff7b72 7ec986 dbab5a 6cb6ff d2a8ff 69cdd2 c9d1d9 "
    "7d8590 ffa198 96dc9b ebc378 91cbff e2c5ff 8ce1e6 f0f6fc"
)
_BACKGROUND, _FOREGROUND, *_ANSI = [
    (code >> 16, code >> 8 & 0xFF, code & 0xFF)
    for code in (int(color, 16) for color in _COLORS.split())
]
_THEME = TerminalTheme(_BACKGROUND, _FOREGROUND, _ANSI[:8], _ANSI[8:])
_SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: %(fonts)s; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-ligatures: none; white-space: pre; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 16px; font-weight: 600; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
""".replace("%(fonts)s", _FONTS)
_HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>wsdiag</title>
<style>
{stylesheet}
body {{ color: {foreground}; background-color: {background}; margin: 1.5em; }}
pre {{ font-family: %(fonts)s; line-height: 1.25; }}
</style>
</head>
<body>
<pre><code style="font-family: inherit">{code}</code></pre>
</body>
</html>
""".replace("%(fonts)s", _FONTS)


def save_picture(
    view: RenderableType, path: Path, *, title: str = "wsdiag", width: int = WIDTH
) -> None:
    """Write a view by the suffix of `path` (.svg, .html, .md, else text); OSError if it cannot."""
    write_whole(path, _export(view, path.suffix.lower(), title, width).encode())


def _export(view: RenderableType, suffix: str, title: str, width: int) -> str:
    console = Console(
        record=True,
        file=io.StringIO(),
        width=width,
        height=40,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},
    )
    console.print(view)
    if suffix == ".svg":
        svg = console.export_svg(title=title, theme=_THEME, code_format=_SVG, unique_id="wsdiag")
        return draw_dots(svg)
    if suffix == ".html":
        return console.export_html(theme=_THEME, code_format=_HTML)
    text = "\n".join(line.rstrip() for line in console.export_text().splitlines()) + "\n"
    return f"**{title}**\n\n````text\n{text.strip(chr(10))}\n````\n" if suffix == ".md" else text


# -- Braille as drawn dots -----------------------------------------------------------------------
#
# Few fonts have Braille, and a fallback's is as wide as it likes: a chart drawn with glyphs falls
# apart where a viewer ignores `textLength`, and some fonts show empty dots as rings. Circles are
# where they belong in every viewer.

_TEXT = re.compile(
    r'<text class="(?P<style>[^"]+)" x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)" '
    r'textLength="[\d.]+" clip-path="[^"]+">(?P<cells>[^<]*[\u2801-\u28ff][^<]*)</text>'
)
_SPACE = "&#160;"
_CELL_WIDTH, _CELL_HEIGHT, _ABOVE_BASELINE = 12.2, 24.4, 18.5
_RADIUS = 1.7
# Bit n of a braille character is dot n + 1 (Unicode, chapter 21.1): (column, row) of each.
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))


def draw_dots(svg: str) -> str:
    """`svg` as rich exports it, with a path of circles in place of each braille character."""
    return _TEXT.sub(_drawn, svg)


def _drawn(text: re.Match[str]) -> str:
    cells = text["cells"].replace(_SPACE, " ")
    left, top = float(text["x"]), float(text["y"]) - _ABOVE_BASELINE
    circles = [
        _circle(left + column * _CELL_WIDTH, top, dot)
        for column, cell in enumerate(cells)
        if "\u2801" <= cell <= "\u28ff"
        for bit, dot in enumerate(_DOTS)
        if (ord(cell) - 0x2800) >> bit & 1
    ]
    rest = re.sub("[\u2800-\u28ff]", " ", cells).replace(" ", _SPACE)
    kept = text[0].replace(text["cells"], rest) if rest.replace(_SPACE, "") else ""
    return f'{kept}<path class="{text["style"]}" d="{"".join(circles)}"/>'


def _circle(left: float, top: float, dot: tuple[int, int]) -> str:
    x = left + _CELL_WIDTH * (2 * dot[0] + 1) / 4 - _RADIUS
    y = top + _CELL_HEIGHT * (2 * dot[1] + 1) / 8
    r, d = _RADIUS, 2 * _RADIUS
    return f"M{x:.1f} {y:.1f}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0z"
