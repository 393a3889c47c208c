"""wsdiag inside a zip file, as in a zipapp: what lies beside the code must be found there too."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import wsdiag

PACKAGE = Path(wsdiag.__file__).parent


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = tmp_path_factory.mktemp("zip") / "app.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in PACKAGE.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                file.write(path, path.relative_to(PACKAGE.parent))
        for path in (PACKAGE.parent / "completions").iterdir():  # where a wheel has them
            file.write(path, Path("wsdiag", "cli", "completions", path.name))
    return archive


def run(zipped: Path, cwd: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-P", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(zipped)},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-c", "import wsdiag; print(wsdiag.__file__)"), "app.zip"),
        (("-m", "wsdiag", "--version"), wsdiag.__version__),
        (("-m", "wsdiag", "--json-schema"), "idle.verdict"),
        (("-m", "wsdiag", "completion", "bash"), "idle-probe"),
        (
            (
                "-c",
                "from wsdiag.judgement.products import intermediaries as i; print(i.products())",
            ),
            "nginx",
        ),
        (
            ("-c", "from wsdiag.judgement.diagnosis import hints as d; print(d.hints())"),
            "proxy_http_version",
        ),
        (("-c", "from wsdiag.server.page import render; print(render())"), "<!doctype html>"),
    ],
    ids=["place", "version", "schema", "completion", "products", "hints", "page"],
)
def test_resources_are_found(
    zipped: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in run(zipped, tmp_path, *arguments)


def test_the_demos_endpoint_comes_from_the_same_place(zipped: Path, tmp_path: Path) -> None:
    """And not from a folder of the same name that happens to be the current one."""
    (tmp_path / "wsdiag").mkdir()
    (tmp_path / "wsdiag" / "__init__.py").write_text("raise SystemExit('the wrong wsdiag')")
    code = "from wsdiag.cli.commands.demo import _endpoint\nwith _endpoint() as url: print(url)"
    assert "ws://127.0.0.1:" in run(zipped, tmp_path, "-c", code)
