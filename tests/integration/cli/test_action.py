"""The script of the GitHub Action, run as a runner would, with wsdiag as if installed before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.integration.server.serving import serving

ACTION = Path(__file__).parents[3] / "action.yml"


def script() -> str:
    return textwrap.dedent(ACTION.read_text().partition("      run: |\n")[2])


def act(tmp_path: Path, **inputs: str) -> tuple[int, dict[str, str], str]:
    """(exit code, outputs, stdout) of the step with these inputs."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    home = tmp_path / "wsdiag-newest" / "bin"
    home.mkdir(parents=True, exist_ok=True)
    for name, words in (("python", ""), ("wsdiag", " -m wsdiag")):
        (home / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n')
        (home / name).chmod(0o755)
    output = tmp_path / "output"
    output.write_text("")
    names = ("URL", "FILE", "ARGS", "VERSION", "JUNIT")
    given = {f"WSDIAG_{name}": inputs.get(name.lower(), "") for name in names}
    ran = subprocess.run(
        [bash, "-e", "-o", "pipefail", "-c", script()],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
        env={
            **os.environ,
            **given,
            "WSDIAG_PYTHON": sys.executable,
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        },
    )
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return ran.returncode, outputs, ran.stdout + ran.stderr


def test_a_fit_endpoint_passes_with_a_summary_and_a_report(tmp_path: Path) -> None:
    with serving() as server:
        code, outputs, said = act(
            tmp_path,
            url=f"  {server.url}/echo\n\n{server.url}/\n",
            junit="report.xml",
            args="--count 2 --max-p95 '30s'\n--expect-header 'Upgrade: (?i)^websocket$'",
        )
    assert (code, outputs) == (0, {"exit-code": "0", "outcome": "passed"}), said
    assert "::notice title=wsdiag check::" in said
    assert f"{server.url}/echo" in (tmp_path / "summary.md").read_text()
    assert "<testsuites" in (tmp_path / "report.xml").read_text()


def test_a_failed_check_and_an_endpoint_that_is_not_there(tmp_path: Path) -> None:
    with serving() as server:
        code, outputs, said = act(tmp_path, url=server.url + "/no-pong", args="--timeout 1")
    assert (code, outputs["outcome"]) == (3, "failed"), said
    assert "::error title=ping" in said
    code, outputs, _ = act(tmp_path, url=server.url)
    assert (code, outputs["outcome"]) == (1, "unreachable")


def test_a_file_of_endpoints(tmp_path: Path) -> None:
    with serving() as server:
        text = f'[[endpoint]]\nname = "one"\nurl = "{server.url}"\n'
        (tmp_path / "ws diag.toml").write_text(text)
        code, outputs, said = act(tmp_path, file="ws diag.toml")
    assert (code, outputs["outcome"]) == (0, "passed"), said


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "give either the input url or the input file"),
        ({"url": "ws://localhost:1", "file": "x.toml"}, "give either"),
        ({"url": "ws://localhost:1", "args": "--only 'ping"}, "quotation mark"),
        ({"url": "ws://localhost:1", "version": "0.1.0 --index-url=http://x"}, "no version number"),
        ({"url": "ws://localhost:1", "args": "--no-such-option"}, "no such option"),
    ],
)
def test_misuse_is_never_a_pass(tmp_path: Path, inputs: dict[str, str], said: str) -> None:
    code, outputs, output = act(tmp_path, **inputs)
    assert (code, outputs) == (2, {"exit-code": "2", "outcome": "error"})
    assert said in output


@pytest.mark.parametrize("field", ["url", "args", "file", "junit"])
def test_inputs_are_no_commands(tmp_path: Path, field: str) -> None:
    trap = "$(touch trapped) `touch trapped` ; touch trapped #"
    inputs = {"url": "ws://localhost:1", field: trap}
    if field == "file":
        inputs["url"] = ""
    code, _, _ = act(tmp_path, **inputs)
    assert code != 0
    assert not (tmp_path / "trapped").exists()
    assert "${{" not in script()


def test_an_url_that_looks_like_an_option_is_none(tmp_path: Path) -> None:
    code, outputs, said = act(tmp_path, url="--list-checks")
    assert (code, outputs["outcome"]) == (1, "unreachable"), said
