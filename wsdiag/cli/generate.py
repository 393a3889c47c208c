"""`python -m wsdiag.cli.generate` writes the manual and the completions in the checkout again."""

from __future__ import annotations

from pathlib import Path

import typer

from wsdiag.cli.app import app
from wsdiag.cli.commands.completion import SCRIPTS
from wsdiag.cli.reference.manual import manual
from wsdiag.cli.reference.model import CommandLine, describe
from wsdiag.cli.reference.shells import SHELLS

ROOT = Path(__file__).parents[2]
"""The checkout."""


def generate(line: CommandLine) -> dict[str, str]:
    """Text by path in the checkout: the manual, and the shells' scripts."""
    made = {"man/wsdiag.1": manual(line)}
    for shell, name in SCRIPTS.items():
        made[f"completions/{name}"] = SHELLS[shell](line.commands, line.top)
    return made


def write() -> None:
    """Write every file that `generate` names."""
    for path, text in generate(describe(typer.main.get_command(app))).items():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
