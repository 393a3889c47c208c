"""`wsdiag completion`: print the completion script of a shell."""

from __future__ import annotations

from pathlib import Path
from pkgutil import get_data
from typing import Annotated, Literal

import typer

from wsdiag.cli.declare import command
from wsdiag.cli.exit import print_answer

SCRIPTS = {
    "bash": "wsdiag.bash",
    "zsh": "_wsdiag",
    "fish": "wsdiag.fish",
    "powershell": "wsdiag.ps1",
}
"""The file of each shell in `completions/`."""
Shell = Literal["bash", "zsh", "fish", "powershell"]


@command()
def completion(shell: Annotated[Shell, typer.Argument(help="Which one")]) -> None:
    """The scripts are static: no Python starts when TAB is pressed. Where wsdiag was installed for
    all users they are in share/ already, and most shells find them there.

    eval "$(wsdiag completion bash)"  # in ~/.bashrc
    eval "$(wsdiag completion zsh)"   # in ~/.zshrc, after compinit
    wsdiag completion fish | source   # in ~/.config/fish/config.fish
    wsdiag completion powershell | Out-String | Invoke-Expression
    """
    print_answer(script(shell))


def script(shell: str) -> str:
    """A shell's script: a wheel has it in this package, a checkout in its `completions/`."""
    name = SCRIPTS[shell]
    try:
        data = get_data("wsdiag.cli", f"completions/{name}")
    except OSError:
        data = (Path(__file__).parents[3] / "completions" / name).read_bytes()
    return (data or b"").decode()
