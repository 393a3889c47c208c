"""No cell of any CSV output begins a formula, whatever a peer says."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

import wsdiag
from wsdiag.render.base.csv_rows import CsvRows
from wsdiag.render.base.terminal import Terminal

FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\tx",
    "\rx",
    "-1.5.2",
    "+-1",
    "-1e5\n",
)
NUMBERS = ("-1.5", "+3", "-0", "12", "0.001")


def written(*values: str) -> list[str]:
    out = io.StringIO()
    rows = CsvRows(Terminal(stdout=out, stderr=out), ["a"], lambda value: {"a": value})
    for value in values:
        rows.handle(value)
    return [row[0] for row in csv.reader(io.StringIO(out.getvalue(), newline=""))]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_takes_for_a_formula_is_text(text: str) -> None:
    assert not written(text)[0].startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", NUMBERS)
def test_a_negative_number_stays_one(text: str) -> None:
    assert written(text) == [text]


def test_nothing_else_writes_csv() -> None:
    """All rows go through `CsvRows`, those of ping, idle-probe, stream, path and explain."""
    package = Path(wsdiag.__file__).parent
    texts = {path: path.read_text() for path in package.rglob("*.py")}
    assert [p.name for p, text in texts.items() if "import csv" in text] == ["csv_rows.py"]
    of = {p.parent.name for p, text in texts.items() if p.name == "csv.py" and "(CsvRows)" in text}
    assert of == {p.parent.name for p in package.rglob("render/*/csv.py")}
    assert of >= {"ping", "idle", "stream", "path", "explain"}
