"""Write the table of ordinary options: `python -m wsdiag.cli.quick`."""

from __future__ import annotations

from pathlib import Path

from wsdiag.cli.quick.declarations import table_text

Path(__file__).with_name("table.py").write_text(table_text(), encoding="utf-8")
