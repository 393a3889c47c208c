"""The oldest dependencies that are allowed, as constraints for pip: `python tests/oldest.py`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
_AT_LEAST = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^\]]*\])?\s*>=\s*([0-9.]+)")


def constraints() -> list[str]:
    """Those of a run and of the extras, not of the tests: `rich==14.3`."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    wanted = [
        *project["dependencies"],
        *(each for name, of in extras if name != "dev" for each in of),
    ]
    found = [_AT_LEAST.match(each) for each in wanted]
    return sorted({f"{match[1]}=={match[2]}" for match in found if match is not None})


if __name__ == "__main__":
    print("\n".join(constraints()))
