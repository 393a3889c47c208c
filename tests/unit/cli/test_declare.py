"""Commands made of functions and groups of options."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from wsdiag.cli.declare import command
from wsdiag.cli.params import DURATION, PERCENT
from wsdiag.cli.reference.model import describe_command

calls: list[dict[str, Any]] = []


@dataclass(frozen=True, kw_only=True)
class Shared:
    header: Annotated[list[str], typer.Option("-H", "--header")] = field(default_factory=list)
    timeout_s: Annotated[float, typer.Option("--timeout", **DURATION)] = 2.0
    loss: Annotated[float | None, typer.Option("--loss", **PERCENT)] = None
    key: Annotated[Path | None, typer.Option("--key")] = None

    def __post_init__(self) -> None:
        if self.key is not None and not self.header:
            raise typer.BadParameter("needs a header", param_hint="--key")


@command()
def probe(
    url: Annotated[str, typer.Argument(metavar="URL")],
    shared: Shared,
    compression: Annotated[bool | None, typer.Option("--compression/--no-compression")] = None,
) -> int:
    """Prose.

    wsdiag probe URL
    """
    calls.append({"url": url, "shared": shared, "compression": compression})
    return 3 if url == "slow" else 0


def run(*line: str) -> int | str | None:
    calls.clear()
    with pytest.raises(SystemExit) as ended:
        probe.main(list(line), prog_name="probe")
    return ended.value.code


def test_a_group_comes_as_a_whole_with_its_defaults() -> None:
    assert run("x") == 0
    assert calls == [{"url": "x", "shared": Shared(), "compression": None}]
    assert calls[0]["shared"].header == []


def test_values_are_converted_and_options_stand_anywhere() -> None:
    assert run("-H", "A: 1", "slow", "--timeout=250ms", "-HB: 2", "--no-compression") == 3
    (call,) = calls
    assert call["shared"] == Shared(header=["A: 1", "B: 2"], timeout_s=0.25)
    assert call["compression"] is False


def test_lists_of_one_line_are_not_those_of_the_next() -> None:
    run("x", "-H", "A: 1")
    run("x")
    assert calls[0]["shared"].header == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["x", "--timeout", "soon"], "invalid value for '--timeout': 'soon' is not a duration"),
        (["x", "--loss", "101"], "invalid value for '--loss': '101' is not a percentage"),
        (["x", "--key", "k"], "invalid value for --key: needs a header"),
        (["x", "--keys"], "no such option: --keys"),
        ([], ""),
    ],
)
def test_usage_errors(line: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(*line) == 2
    assert not calls
    out, err = capfd.readouterr()
    assert message in err
    usage = "probe [OPTION]... URL"
    assert usage in err if message else out.startswith(f"Usage: wsdiag {usage}\n")
    assert not message or err.startswith("error: ")


def test_what_is_described_is_what_was_declared() -> None:
    with probe.make_context("probe", [], resilient_parsing=True) as ctx:
        described = describe_command(probe, ctx)
    flags = {name: flag for flag in described.flags for name in flag.names}
    assert flags["--timeout"].default == "2s"
    assert flags["--timeout"].value == "DURATION"
    assert flags["--key"].files
    assert flags["--no-compression"] is flags["--compression"]
    assert described.examples == ("wsdiag probe URL",)
    assert described.prose == ("Prose.",)


def test_a_closed_pipe_is_no_error() -> None:
    for line in ("--help", "help ping", "completion bash", "--json-schema", "check --list-checks"):
        done = subprocess.run(
            f"{sys.executable} -m wsdiag {line} | true; echo ${{PIPESTATUS[0]}}",
            shell=True,
            executable="/bin/bash",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stdout.strip(), done.stderr) == ("0", ""), line
