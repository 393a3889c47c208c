"""What is made from the command line is what the checkout has, and reads as it should."""

import subprocess
import sys

import pytest
import typer

from tests.peers.tools import require_tool
from wsdiag.cli.app import app
from wsdiag.cli.generate import ROOT, generate
from wsdiag.cli.listing import COMMANDS
from wsdiag.cli.reference.model import Command, Flag, describe
from wsdiag.cli.reference.pages import SCREEN, WIDTH, full_page, overview, short_page

LINE = describe(typer.main.get_command(app))
FILES = generate(LINE)
MANUAL = ROOT / "man" / "wsdiag.1"
SHORT = {command.name: short_page(command) for command in LINE.commands}


@pytest.mark.parametrize("path", FILES)
def test_what_is_in_the_checkout_has_not_drifted(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], (
        "run: python -m wsdiag.cli.generate"
    )


def test_nothing_is_there_that_is_no_longer_made() -> None:
    found = {p for folder in ("completions", "man") for p in (ROOT / folder).iterdir()}
    assert found == {ROOT / path for path in FILES}


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


def test_every_command_is_listed_and_is_what_its_module_is_called() -> None:
    assert [command.name for command in LINE.commands] == list(COMMANDS)
    assert {command.name: command.help for command in LINE.commands} == COMMANDS
    modules = {path.stem for path in (ROOT / "wsdiag/cli/commands").glob("[!_]*.py")}
    assert modules == {name.replace("-", "_") for name in COMMANDS}


def test_help_has_a_topic_for_every_other_command() -> None:
    topics = LINE.commands[-1].arguments
    assert list(topics) == [*(name for name in COMMANDS if name != "help"), "keepalive", "dialects"]


@pytest.mark.parametrize("page", [overview(COMMANDS, LINE.top), *SHORT.values()])
def test_a_page_fits_a_screen(page: str) -> None:
    page = page.replace("**", "")
    assert len(page.splitlines()) <= SCREEN < 24
    assert max(map(len, page.splitlines())) <= WIDTH


@pytest.mark.parametrize("command", LINE.commands, ids=list(SHORT))
def test_pages_answer_show_and_name_everything(command: Command) -> None:
    short, full = (page.replace("**", "") for page in (SHORT[command.name], full_page(command)))
    for page in (short, full):
        assert command.help in page
        assert len(command.examples) >= 2
        assert all(example in page for example in command.examples)
        assert max(map(len, page.splitlines())) <= WIDTH
    words = short.replace("/", " ").replace("=", " ").replace("[no-]", "").split()
    for flag in command.flags:
        if not flag.is_help:
            for name in flag.names:
                assert name in words or name.replace("--no-", "--", 1) in words
        assert flag.help.split()[0] in full


def run(*line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from wsdiag.cli.main import run; sys.argv[1:] = " + repr(list(line)) + "\n"
        "try: run()\n"
        "finally: print([m for m in ('rich', 'asyncio', 'ssl', 'json') if m in sys.modules],"
        " [m for m in sys.modules if m.startswith('wsdiag.cli.commands.')], file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **environ},
    )


@pytest.mark.parametrize(
    ("line", "begins", "code"),
    [
        ("", "Usage: wsdiag COMMAND", 2),
        ("-h", "Usage: wsdiag COMMAND", 0),
        ("--help", "Usage: wsdiag COMMAND", 0),
        ("help", "Usage: wsdiag COMMAND", 0),
        ("help idle-probe", "Usage: wsdiag idle-probe", 0),
        ("ping", "Usage: wsdiag ping", 2),
        ("ping -h", "Usage: wsdiag ping", 0),
        ("ping -c 3 wss://x --help", "Usage: wsdiag ping", 0),
        ("serve --list", "/echo", 0),
        ("completion fish", "# fish completion", 0),
        ("--json-schema", "{\n", 0),
    ],
)
def test_answers_that_need_no_measuring(line: str, begins: str, code: int) -> None:
    done = run(*line.split())
    assert done.returncode == code, done.stderr
    assert done.stdout.startswith(begins)


def test_help_on_one_screen_and_in_words() -> None:
    ping = next(command for command in LINE.commands if command.name == "ping")
    assert run("ping", "-h").stdout == run("ping").stdout == SHORT["ping"].replace("**", "")
    in_words = full_page(ping).replace("**", "")
    assert run("ping", "--help").stdout == run("help", "ping").stdout == in_words


@pytest.mark.parametrize("line", ["--help", "ping --help", "completion bash", "--json-schema"])
def test_answers_load_no_more_than_the_command_that_gives_them(line: str) -> None:
    heavy, commands = run(*line.split()).stderr.splitlines()[-1].split("] ")
    assert heavy == "["
    named = line.split()[0]
    mine = "" if named.startswith("-") else f"'wsdiag.cli.commands.{named}'"
    assert commands.strip("[]") == mine


@pytest.mark.parametrize(
    "line", ["ping -A --help", "connect -- --help", "nope --help", "help nope", "completion csh"]
)
def test_lines_that_only_look_like_them(line: str) -> None:
    done = run(*line.split())
    assert done.returncode in (1, 2)
    assert "Usage: " not in done.stdout


def test_headings_are_bold_where_asked_and_plain_elsewhere() -> None:
    for line in (["ping", "--color=always", "-h"], ["ping", "-h", "--color", "always"]):
        assert run(*line, NO_COLOR="1").stdout.startswith("\x1b[1mUsage:\x1b[0m ")
    assert "\x1b" in run("ping", "-h", FORCE_COLOR="1").stdout
    for line, environ in ((["--color", "never"], {"FORCE_COLOR": "1"}), ([], {"NO_COLOR": "1"})):
        page = run("ping", "-h", *line, **environ).stdout
        assert page.startswith("Usage: ")
        assert "**" not in page


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
