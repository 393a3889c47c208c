"""Which file holds what is made from the declarations: what is written is what a test compares."""

from __future__ import annotations

from pathlib import Path

from wsdiag.cli.reference.manual import manual
from wsdiag.cli.reference.model import CommandLine
from wsdiag.cli.reference.pages import full_page, overview, short_page
from wsdiag.cli.reference.shells import SHELLS

ROOT = Path(__file__).parents[3]
"""The checkout."""
_PAGES = "wsdiag/cli/pages"


def generate(line: CommandLine) -> dict[str, str]:
    """Text by path in the checkout: help pages, the manual, and the shells' scripts."""
    made = {f"{_PAGES}/wsdiag.txt": overview(line), "man/wsdiag.1": manual(line)}
    for command in line.commands:
        made[f"{_PAGES}/{command.name}.txt"] = short_page(command)
        made[f"{_PAGES}/{command.name}.all.txt"] = full_page(command)
    for name, script in SHELLS.values():
        made[f"completions/{name}"] = script(line.commands, line.top)
    return made
