"""Every fuzz target over its corpus and its seeds, so that findings stay found."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.fuzz import CORPUS
from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

CASES = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize(("name", "path"), CASES, ids=[f"{n}-{p.name[:12]}" for n, p in CASES])
def test_corpus(name: str, path: Path) -> None:
    TARGETS[name](path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_lies_in_the_corpus(name: str) -> None:
    kept = {path.read_bytes() for path in (CORPUS / name).iterdir()}
    assert set(SEEDS[name]()) <= kept


@pytest.mark.parametrize("name", TARGETS)
def test_every_beginning_of_a_seed(name: str) -> None:
    for seed in SEEDS[name]():
        for end in range(0, len(seed), 3):
            TARGETS[name](seed[:end])


def test_without_atheris_the_script_says_so() -> None:
    script = Path(__file__).with_name("fuzz.py")
    hide = "import sys, runpy; sys.modules['atheris'] = None"
    run = f"{hide}; sys.argv[1:] = ['parser']; runpy.run_path({str(script)!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "fuzzing needs atheris" in done.stderr
