"""How runs end: the code is the verdict's, whatever becomes of the output, and never a hasty 0."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from tests.integration.check.conftest import write
from tests.peers.command import ROOT, WSDIAG
from tests.peers.peers import Peers
from tests.peers.ports import free_port

pytestmark = pytest.mark.minutes


def test_a_report_that_cannot_be_written_is_found_out_before_the_run(
    peers: Peers, tmp_path: Path
) -> None:
    gone = f"ws://127.0.0.1:{free_port()}"  # to be asked, it would be an answer of 1
    for option in ("--junit", "--save"):
        run = peers.wsdiag("check", gone, option, "/nonexistent/x.svg")
        assert (run.code, run.out) == (2, "")
    report = tmp_path / "report.xml"
    assert peers.wsdiag("check", "no such scheme://x", "--junit", str(report)).code == 2
    assert not report.exists()


def test_a_report_that_cannot_be_written_is_no_success(peers: Peers, serve: str) -> None:
    run = peers.wsdiag("check", serve, "--junit", "/dev/full")
    assert run.code == 1
    assert "cannot write /dev/full" in run.err


def test_an_endpoint_that_was_not_reached_is_not_hidden_by_one_that_passes(
    peers: Peers, serve: str
) -> None:
    gone = f"ws://127.0.0.1:{free_port()}"
    run = peers.wsdiag("check", gone, serve, "--only", "ping")
    assert "1 endpoint did not open, 1 check not measured\n  1 passed" in run.out
    assert run.code == 1
    run = peers.wsdiag("check", gone, serve, "--only", "ping", "-o", "json")
    assert run.record("check.summary")["unreachable"] == 1
    assert [r.get("unmeasured") for r in run.of("check.result")] == [True, None]


@pytest.mark.parametrize(
    ("path", "options", "code"),
    [
        ("/status/403", ["--expect-status", "101,403", "--only", "connect,ping"], 0),
        ("/status/404", ["--expect-status", "101,403", "--only", "connect,ping"], 1),
        ("/close/1001", ["--only", "ping,close"], 1),
        ("/lifetime/0.05?drop=fin", ["--only", "ping,close"], 1),
        ("/lifetime/0.05?drop=rst", ["--only", "ping,close"], 1),
        ("/status/403", ["--only", "connect"], 1),
    ],
)
def test_what_was_asked_for_and_not_measured_is_never_0(
    peers: Peers, serve: str, path: str, options: list[str], code: int
) -> None:
    run = peers.wsdiag("check", serve + path, *options, "-o", "json")
    assert run.code == code, run.out


SHELL = f"{shlex.join(WSDIAG)} check -o"


@pytest.mark.parametrize("format", ["text", "json", "junit", "github"])
@pytest.mark.parametrize("end", ["| head -c 1", ">&-", ">/dev/full"])
def test_whoever_reads_the_output_the_code_is_the_verdicts(
    serve: str, tmp_path: Path, format: str, end: str
) -> None:
    report = tmp_path / "report.xml"
    run_it = f"{SHELL} {format} --max-p95 0.001ms --junit {report} {serve}/echo {serve}"
    script = f'{run_it} {end}; exit "$PIPESTATUS"'
    run = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, timeout=60)
    assert run.returncode == 3, run.stderr
    assert b"defect" not in run.stderr
    assert len(etree.parse(str(report)).getroot()) == 2


def test_a_full_disk_under_stdout_is_no_success(serve: str) -> None:
    script = f"{SHELL} json {serve} >/dev/full"
    run = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, timeout=60)
    assert run.returncode == 1
    assert b"cannot write to stdout: No space left" in run.stderr


def test_a_step_summary_that_cannot_be_written_is_said_and_changes_no_verdict(
    peers: Peers, serve: str
) -> None:
    run = peers.wsdiag(
        "check", serve, "-o", "github", env={"GITHUB_STEP_SUMMARY": "/nonexistent/x"}
    )
    assert run.code == 0
    assert "cannot write /nonexistent/x" in run.err


def test_a_picture_is_saved_whatever_is_printed(peers: Peers, serve: str, tmp_path: Path) -> None:
    picture = tmp_path / "x.txt"
    assert peers.wsdiag("check", serve, "-o", "json", "--save", str(picture)).code == 0
    assert "all checks passed" in picture.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "pin"], "did you mean ping?"),
        (["--only", "ping,rsv1"], "rsv1 needs --adversarial"),
        (["--only", "idle"], "idle needs --require-idle"),
        (["--only", ""], "names no check"),
        (["--skip", "*"], "nothing is left to check"),
    ],
)
def test_a_selection_that_would_leave_out_what_it_names_is_refused(
    peers: Peers, serve: str, options: list[str], said: str
) -> None:
    run = peers.wsdiag("check", serve, *options)
    assert (run.code, run.out) == (2, "")
    assert said in " ".join(run.err.split())


def test_the_same_endpoint_twice_is_refused(peers: Peers, serve: str) -> None:
    assert peers.wsdiag("check", serve, serve).code == 2


def test_an_endpoint_of_which_nothing_is_left_is_named(
    peers: Peers, serve: str, tmp_path: Path
) -> None:
    file = write(
        tmp_path,
        f'[[endpoint]]\nname = "a"\nurl = "{serve}"\nsend = "x"\n'
        f'[[endpoint]]\nname = "b"\nurl = "{serve}"\n',
    )
    run = peers.wsdiag("check", "-f", file, "--only", "message", "-o", "json")
    assert run.code == 0
    assert {r["endpoint"] for r in run.of("check.result")} == {"a"}
    assert "no checks left: b" in run.err
    assert peers.wsdiag("check", "-f", file, "--only", "idle").code == 2


CRASHES = """
import asyncio, os, wsdiag

def heard(connection, event, data):
    if event == "violation":
        os._exit(1)

async def main():
    async with wsdiag.serve(on_event=heard) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("only", [[], ["--only", "rsv1,rsv2,opcode-3"]], ids=["all", "few"])
def test_an_endpoint_that_an_illegal_frame_kills_is_suspected_of_it(
    only: list[str], peers: Peers
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CRASHES], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            run = peers.wsdiag("check", "--adversarial", *only, url)
            assert server.wait(30) == 1
        finally:
            server.kill()
    assert run.code == 1  # neither fit nor judged: it is gone
    assert f"hint: {url} took no more connections during the checks" in run.err
    assert run.err.count("took no more") == 1


def test_an_endpoint_that_survives_is_not_suspected(peers: Peers, serve: str) -> None:
    run = peers.wsdiag("check", "--adversarial", "--only", "rsv1,rsv2,opcode-3", serve, ok=0)
    assert "took no more" not in run.err
