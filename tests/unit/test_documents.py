"""What the documents say is so: commands parse, links lead somewhere, examples run."""

from __future__ import annotations

import json
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
DOCS = ROOT / "docs"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
# A command with its words, up to what belongs to the shell around it.
COMMAND = re.compile(
    r"""(?<![\w/.-])wsdiag ((?:[a-z-]+)(?: (?![&|>;#])(?:'[^']*'|"[^"]*"|\$\(\w+\)|[^\s'"`)]+))*)"""
)
COMMANDS = (
    "connect",
    "ping",
    "idle-probe",
    "explain",
    "check",
    "exporter",
    "serve",
    "demo",
    "completion",
)
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
def test_commands_parse(
    document: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is taken by the command line as it stands: no option unknown, no value refused."""
    for name in ("ca.pem", "keys.txt"):  # files that must exist
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    parse(command)


def parse(command: str) -> None:
    name, *words = shlex.split(re.sub(r" \[[^\]]*\]", "", command))
    group: Any = typer.main.get_command(app)
    with group.make_context("wsdiag", [name]) as ctx:
        parser = group.get_command(ctx, name)
        parser.make_context(name, [PLACEHOLDERS.get(word, word) for word in words])


def test_a_command_that_is_wrong_is_found() -> None:
    (command,) = commands("```console\n$ wsdiag ping --no-such-option URL | head\n```\n")
    assert command == "ping --no-such-option URL"
    with pytest.raises(Exception, match="No such option"):
        parse(command)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in links(document):
        name, _, anchor = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.exists(), f"{document.name}: {target}"
        if anchor:
            assert anchor in anchors(file.read_text()), f"{document.name}: {target}"


def links(document: Path) -> list[str]:
    """Where a document's links lead, those to other sites left out."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCED.sub("", document.read_text()))
    return [target for target in targets if not re.match(r"https?://", target)]


def anchors(text: str) -> set[str]:
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_an_anchor_names_one_heading(document: Path) -> None:
    """A second heading of the same name would get another anchor than the links say."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    if document.name != "CHANGELOG.md":  # "Added" under every version
        assert len(anchors(document.read_text())) == len(headings)


def test_every_promise_of_the_security_policy_names_tests_that_are_there() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    table = text.partition("## How it is tested")[2].partition("\n## ")[0]
    named = re.findall(r"`(tests/[^`]+)`", table)
    assert [name for name in named if not (ROOT / name).exists()] == []
    promised = re.findall(r"^\* \*\*`?([\w -]+?)`?(?: is local[^*]*|\.)?\*\*", text, re.MULTILINE)
    assert len(promised) >= 8
    for promise in promised:
        assert promise.lower() in table.lower(), promise


def test_every_command_has_a_page_and_the_index_names_every_page() -> None:
    listed = {target.partition("#")[0] for target in links(DOCS / "README.md")}
    every = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name in set(every) - {"help", "completion"}:
        assert (DOCS / f"{name}.md").read_text().startswith(("# wsdiag ", "# `wsdiag ")), name
        assert f"{name}.md" in listed
    assert {path.name for path in DOCS.glob("*.md")} - listed == {"README.md"}


def test_the_table_of_checks_is_the_registrys() -> None:
    text = (DOCS / "check.md").read_text()
    tables = re.findall(r"^<!-- checks: (\w+) -->\n(.*?)^<!-- end", text, re.DOTALL | re.MULTILINE)
    rows = [
        (name, group, section)
        for group, table in tables
        for name, section in re.findall(r"^\| `([\w.-]+)` \|.*\|\s*([^|]*?)\s*\|$", table, re.M)
    ]
    printed = run("check", "--list-checks").splitlines()
    listed = re.compile(r"(\S+) +(fitness|conformance|adversarial) +(RFC \d+, [\d.]+)?")
    assert rows == [
        (found[1], found[2], found[3] or "") for line in printed if (found := listed.match(line))
    ]
    assert len(rows) == len(printed)


def test_the_reference_of_records_has_every_record_and_member() -> None:
    text = (DOCS / "json.md").read_text()
    schema = json.loads(run("--json-schema"))
    for name, definition in schema["$defs"].items():
        if name == "Error":  # the same as the record
            continue
        section = re.search(rf"^### `?{re.escape(name)}`?\n(.*?)(?=^##|\Z)", text, re.M | re.S)
        assert section is not None, name
        members = re.findall(r"^\| `(\w+)`( °)? \| (.*?) \|", section[1], re.M)
        required = {*definition["required"], "schema_version", "type"}
        assert [(member, bool(mark)) for member, mark, _ in members] == [
            (member, member not in required)
            for member in definition["properties"]
            if member not in ("schema_version", "type")
        ], name
        for member, _, kind in members:
            values = definition["properties"][member].get("enum", [])
            assert all(f"`{value}`" in kind for value in values), f"{name}.{member}"
    (version,) = {
        d["properties"]["schema_version"]["const"]
        for d in schema["$defs"].values()
        if "schema_version" in d["properties"]
    }
    assert f'`schema_version` (`"{version}"`)' in text


def run(*words: str) -> str:
    """What the command prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "wsdiag", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=ROOT,
    )
    return ran.stdout


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
    blocks = [block for path in DOCUMENTS for block in FENCED.findall(path.read_text())]
    for body in (body for language, body in blocks if language == "console"):
        for line in body.splitlines():
            assert len(line) <= 90 or line.startswith("$ "), line


def test_the_two_commands_that_ci_takes_word_for_word() -> None:
    text = (ROOT / "README.md").read_text()
    for command in (
        "$ python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/wsdiag demo",
        "$ python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest",
    ):
        assert text.count(command) == 1


def test_the_readme_is_a_front_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 260
