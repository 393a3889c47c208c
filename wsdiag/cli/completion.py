"""`wsdiag completion`: print the completion script of a shell."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """Shells with a completion script."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


def completion(shell: Annotated[Shell, typer.Argument(help="Which one")]) -> None:
    """Print a shell's completion script.

    eval "$(wsdiag completion bash)"  # in ~/.bashrc
    eval "$(wsdiag completion zsh)"   # in ~/.zshrc, after compinit
    wsdiag completion fish | source   # in ~/.config/fish/config.fish
    wsdiag completion powershell | Out-String | Invoke-Expression

    The scripts are static: no Python starts when TAB is pressed. Where wsdiag was installed for
    all users they lie in share/ already, and most shells find them there.
    """
    from wsdiag.cli.app import app
    from wsdiag.cli.reference.model import describe
    from wsdiag.cli.reference.shells import SHELLS

    _, generate = SHELLS[shell.value]
    line = describe(app)
    print(generate(line.commands, line.top), end="")
