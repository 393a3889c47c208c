"""`python -m wsdiag.cli.completions FOLDER` writes every shell's script into a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from wsdiag.cli.app import app
from wsdiag.cli.completions.model import describe
from wsdiag.cli.completions.scripts import SHELLS


def main(folder: Path) -> None:
    """Write all scripts, as the project ships them in `completions/`."""
    described = describe(app)
    for name, generate in SHELLS.values():
        (folder / name).write_text(generate(*described), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
