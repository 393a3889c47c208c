"""What is generated from the declarations does not drift from them."""

from __future__ import annotations

from pathlib import Path

from wsdiag.server.faults import FAULTS
from wsdiag.server.page import catalogue, render
from wsdiag.server.reference import document, listing
from wsdiag.server.routes import example

ROOT = Path(__file__).parents[3]


def test_the_document_is_the_generated_one() -> None:
    written = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m wsdiag.server.reference > docs/serve.md"


def test_the_list_has_every_path_with_its_help() -> None:
    lines = listing()
    for fault in FAULTS:
        assert any(line.startswith(example(fault)) and fault.summary in line for line in lines)


def test_the_page_carries_every_path_and_asks_nobody_else() -> None:
    page = render().decode()
    assert [entry["name"] for entry in catalogue()] == [fault.name for fault in FAULTS]
    assert "/*ROUTES*/" not in page
    for fault in FAULTS:
        assert f'"{example(fault)}"' in page
    for outside in ("http://", "https://", "//cdn", "@import", " src="):
        assert outside not in page
