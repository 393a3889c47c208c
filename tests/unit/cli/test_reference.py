"""What is made from the command line is what lies in the checkout, and reads as it should."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.tools import require_tool
from wsdiag.cli import pages
from wsdiag.cli.app import app
from wsdiag.cli.help import Topic
from wsdiag.cli.reference.files import ROOT, generate
from wsdiag.cli.reference.model import Command, Flag, describe
from wsdiag.cli.reference.pages import SCREEN, WIDTH

LINE = describe(app)
FILES = generate(LINE)
SHORT = [command.name for command in LINE.commands]
MANUAL = ROOT / "man" / "wsdiag.1"


@pytest.mark.parametrize("path", FILES)
def test_what_lies_in_the_checkout_has_not_drifted(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], (
        "run: python -m wsdiag.cli.reference"
    )


def test_nothing_lies_there_that_is_no_longer_made() -> None:
    lying = {
        p
        for folder in ("wsdiag/cli/pages", "completions", "man")
        for p in (ROOT / folder).iterdir()
        if p.is_file() and p.suffix != ".py"
    }
    assert lying == {ROOT / path for path in FILES}


def test_model_knows_choices_files_and_plain_values() -> None:
    by_name = {command.name: command for command in LINE.commands}
    flags = _flags(by_name["ping"])
    assert flags["--mode"].choices == ("ping", "text", "binary")
    assert flags["--cacert"].files
    assert flags["-c"] is flags["--count"]
    assert flags["-c"].value == "N"
    assert flags["--interval"].default == "1s"
    assert not flags["--flood"].takes_value
    assert {"--compression", "--no-compression"} <= set(flags)
    assert by_name["completion"].arguments == ("bash", "zsh", "fish", "powershell")
    assert "silent" in _flags(by_name["serve"])["--drop"].choices
    assert any("--json-schema" in flag.names for flag in LINE.top)


def test_help_has_a_topic_for_every_other_command() -> None:
    assert [topic.value for topic in Topic] == [name for name in SHORT if name != "help"]


@pytest.mark.parametrize("name", ["wsdiag", *SHORT])
def test_a_page_fits_a_screen(name: str) -> None:
    page = pages.page(name, (), {}) or ""
    assert len(page.splitlines()) <= SCREEN < 24
    assert max(map(len, page.splitlines())) <= WIDTH


@pytest.mark.parametrize("command", LINE.commands, ids=SHORT)
def test_pages_answer_show_and_name_everything(command: Command) -> None:
    short, full = (pages.page(command.name + which, (), {}) or "" for which in ("", ".all"))
    for page in (short, full):
        assert command.help in page
        assert len(command.examples) >= 2
        assert all(example in page for example in command.examples)
        assert max(map(len, page.splitlines())) <= WIDTH
    words = short.replace("/", " ").replace("=", " ").replace("[no-]", "").split()
    for flag in command.flags:
        if "--help" not in flag.names:
            assert {name for name in flag.names if not name.startswith("--no-c")} <= set(words)
        assert flag.help.split()[0] in full


def test_headings_are_bold_where_asked_and_plain_elsewhere() -> None:
    assert (pages.page("ping", ["--color=always"], {}) or "").startswith("\x1b[1mUsage:\x1b[0m ")
    for words, environ in ((["--color", "never"], {"FORCE_COLOR": "1"}), ([], {"NO_COLOR": "1"})):
        page = pages.page("ping", words, environ) or ""
        assert page.startswith("Usage: ")
        assert "**" not in page
    assert "\x1b" in (pages.page("ping", [], {"FORCE_COLOR": "1"}) or "")


@pytest.mark.parametrize(
    ("line", "begins", "code"),
    [
        ("", "Usage: wsdiag COMMAND", 2),
        ("-h", "Usage: wsdiag COMMAND", 0),
        ("--help", "Usage: wsdiag COMMAND", 0),
        ("help", "Usage: wsdiag COMMAND", 0),
        ("help idle-probe", "Usage: wsdiag idle-probe", 0),
        ("ping -h", "Usage: wsdiag ping", 0),
        ("ping -c 3 wss://x --help", "Usage: wsdiag ping", 0),
        ("completion fish", "# fish completion", 0),
        ("--json-schema", "{\n", 0),
    ],
)
def test_ready_answers(
    line: str,
    begins: str,
    code: int,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert pages.answer(line.split()) == code
    assert capfdbinary.readouterr().out.decode().startswith(begins)


@pytest.mark.parametrize(
    "line",
    [
        "ping",
        "ping wss://x",
        "ping -A --help wss://x",
        "connect -- --help",
        "nope --help",
        "help nope",
        "help ../render",
        "wsdiag --help",
        "completion csh",
        "--json-schema x",
        "-v",
    ],
)
def test_lines_that_are_for_typer(line: str) -> None:
    assert pages.answer(line.split()) is None


def test_typer_gives_the_same_pages(tmp_path: Path) -> None:
    code = "import sys; from wsdiag.cli.app import app; app(sys.argv[1:], prog_name='wsdiag')"
    for line in ("--help", "ping --help", "help ping", "ping"):
        asked = [sys.executable, "-c", code, *line.split()]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, cwd=ROOT)
        name = {"--help": "wsdiag", "help ping": "ping.all"}.get(line, "ping")
        assert done.stdout == pages.page(name, (), {}), line
        assert done.returncode == (2 if line == "ping" else 0)


def test_help_imports_neither_typer_nor_rich() -> None:
    for line in (["--help"], ["ping", "--help"], ["completion", "bash"], ["--json-schema"]):
        code = (
            "import sys; from wsdiag.cli.main import run; sys.argv[1:] = " + repr(line) + "\n"
            "try: run()\nexcept SystemExit: pass\n"
            "print([m for m in ('typer', 'rich', 'asyncio', 'json') if m in sys.modules])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT
        )
        assert done.stdout.splitlines()[-1] == "[]", (line, done.stderr)


def test_the_manual_is_clean_and_whole() -> None:
    done = subprocess.run(
        [require_tool("groff"), "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=80n", str(MANUAL)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    words = set(done.stdout.replace(",", " ").split())
    assert {name for c in LINE.commands for flag in c.flags for name in flag.names} <= words
    sections = [row for row in done.stdout.splitlines() if row.isupper() and row[0] != " "]
    assert sections[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"]
    assert {"OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"} <= set(
        sections
    )


def _flags(command: Command) -> dict[str, Flag]:
    return {name: flag for flag in command.flags for name in flag.names}
