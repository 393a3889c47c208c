"""All benches, one after the other, and their figures in one table beside the peers' of this run.

    python -m tests.bench [--quick] [--markdown FILE] [NAME …]

NAME is a bench's without `bench_`. Nothing is asserted: a slow or busy machine is no defect.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.machine import description
from tests.bench.table import Row, show

HERE = Path(__file__).parent


def benches() -> dict[str, Callable[..., list[Row]]]:
    """Every bench that hands in rows, by name."""
    found = {}
    for path in sorted(HERE.glob("bench_*.py")):
        module = importlib.import_module(f"tests.bench.{path.stem}")
        if hasattr(module, "rows"):
            found[path.stem.removeprefix("bench_")] = module.rows
    return found


def run(rows: Callable[..., list[Row]], *, quick: bool) -> list[Row]:
    """One bench's rows; `quick` goes to those that know a short way."""
    knows = "quick" in inspect.signature(rows).parameters
    return rows(quick=quick) if knows else rows()


def markdown(rows: Sequence[Row]) -> str:
    """The table as Markdown, the machine beneath it."""
    said = {True: "yes", False: "no", None: ""}
    lines = ["| what | wsdiag | peer | ratio | target | met |", "|---|---|---|---|---|---|"]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        cells = (row.what, row.ours, row.peer, ratio, row.target, said[row.met])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, "", description(), ""])


def main() -> None:
    """Read the command line, run what it names, print and perhaps write the table."""
    known = benches()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in known]
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}: choose from {', '.join(known)}")
    found: list[Row] = []
    for name in given.names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        found += run(known[name], quick=given.quick)
    show(found)
    print(f"\n{description()}")
    if given.markdown is not None:
        given.markdown.write_text(markdown(found), encoding="utf-8")


if __name__ == "__main__":
    main()
