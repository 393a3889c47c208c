"""The rows that every bench hands in, and the table that they are printed as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: what was done, our figure and the peer's with units, ours / peer's.

    `ratio` below 1 means that wsdiag is quicker or lighter; None where there is no peer to divide
    by. `met` is None where nothing was aimed at.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    target: str
    met: bool | None


def show(rows: Sequence[Row]) -> None:
    """Print the rows in columns as wide as their widest cell."""
    verdicts = {True: "yes", False: "no", None: "-"}
    cells = [("what", "wsdiag", "peer", "ratio", "target", "met")]
    for row in rows:
        ratio = "-" if row.ratio is None else f"{row.ratio:.2f}"
        cells.append((row.what, row.ours, row.peer, ratio, row.target or "-", verdicts[row.met]))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    for line in cells:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())
