"""What the documents say is so: commands parse, links lead somewhere, examples run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from wsdiag.cli.app import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
# A command with its words, up to what belongs to the shell around it.
COMMAND = re.compile(
    r"""(?<![\w/.-])wsdiag ((?:[a-z-]+)(?: (?![&|>;#])(?:'[^']*'|"[^"]*"|[^\s'"`]+))*)"""
)
COMMANDS = ("connect", "ping", "idle-probe", "check", "serve", "demo", "completion")
URL = "ws://localhost:1"
PLACEHOLDERS = {"URL": URL, "$(WS_URL)": URL, "$NEW_URL": URL, "SHELL": "bash"}


def commands(text: str) -> Iterator[str]:
    """Every `wsdiag COMMAND …` in the code of a document; a bare name is no command line."""
    code = [
        body for language, body in FENCED.findall(text) if language in ("console", "sh", "make")
    ]
    inline = re.findall(r"`(wsdiag [^`\n]+)`", FENCED.sub("", text))
    for line in (*"\n".join(code).splitlines(), *inline):
        for found in COMMAND.findall(line):
            name, _, rest = found.partition(" ")
            if name in COMMANDS and (rest or name in ("demo", "serve")):
                yield found


ALL = sorted({(path.name, command) for path in DOCUMENTS for command in commands(path.read_text())})


def test_the_documents_show_commands() -> None:
    assert len(ALL) > 20
    assert {command.split()[0] for _, command in ALL} == set(COMMANDS)


@pytest.mark.parametrize(("document", "command"), ALL, ids=lambda value: value[:60])
def test_commands_parse(document: str, command: str) -> None:
    """Each is taken by the command line as it stands: no option unknown, no value refused."""
    name, *words = shlex.split(re.sub(r" \[[^\]]*\]", "", command))
    group: Any = typer.main.get_command(app)
    with group.make_context("wsdiag", [name]) as ctx:
        parser = group.get_command(ctx, name)
        parser.make_context(name, [PLACEHOLDERS.get(word, word) for word in words])


def test_a_command_that_is_wrong_is_found() -> None:
    (command,) = commands("```console\n$ wsdiag ping --no-such-option URL | head\n```\n")
    assert command == "ping --no-such-option URL"
    with pytest.raises(Exception, match="No such option"):
        test_commands_parse("", command)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = FENCED.sub("", document.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), f"{document.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{document.name}: {target}"


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def python_blocks(document: str) -> list[str]:
    text = (ROOT / document).read_text()
    return [body for language, body in FENCED.findall(text) if language == "python"]


def test_the_readmes_examples_run(tmp_path: Path) -> None:
    tests, program = python_blocks("README.md")
    (tmp_path / "test_client.py").write_text(tests)
    (tmp_path / "program.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_client.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    ran = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.count("PingReply(") == 3, ran.stderr


def test_console_blocks_fit_their_screen() -> None:
    for body in (
        body
        for language, body in FENCED.findall((ROOT / "README.md").read_text())
        if language == "console"
    ):
        for line in body.splitlines():
            assert len(line) <= 90 or line.startswith("$ "), line


def test_the_two_commands_that_ci_takes_word_for_word() -> None:
    text = (ROOT / "README.md").read_text()
    for command in (
        "$ python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/wsdiag demo",
        "$ python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
    ):
        assert text.count(command) == 1
