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


def completion(
    shell: Annotated[Shell, typer.Argument(help="Which shell's script to print.")],
) -> None:
    """Print a shell's completion script.

    bash: eval "$(wsdiag completion bash)"; zsh: the same with zsh, or a folder of your fpath;
    fish: wsdiag completion fish | source; PowerShell: ... | Out-String | Invoke-Expression
    """
    from wsdiag.cli.app import app
    from wsdiag.cli.completions.model import describe
    from wsdiag.cli.completions.scripts import SHELLS

    _, generate = SHELLS[shell.value]
    print(generate(*describe(app)), end="")
