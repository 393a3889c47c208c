"""What `import wsdiag` offers: its examples run, and a typo is a type error."""

from __future__ import annotations

import ast
import doctest
import re
import subprocess
import sys
import typing
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest
from mypy import api as mypy

import wsdiag
import wsdiag.api
import wsdiag.protocol
from wsdiag import keywords

ROOT = Path(__file__).parents[2]


def test_everything_named_public_is_there() -> None:
    assert {"__version__", "protocol", "connect", "PingSummary"} <= set(wsdiag.__all__)
    for module in (wsdiag, wsdiag.protocol):
        for name in module.__all__:
            assert getattr(module, name) is not None


@pytest.mark.parametrize("module", [wsdiag, wsdiag.protocol])
def test_type_checkers_see_the_same_names(module: ModuleType) -> None:
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(module.__all__) <= imported


def _made_of(kind: object, seen: set[str]) -> set[str]:
    """The names of all dataclasses that a type is made of."""
    if is_dataclass(kind) and isinstance(kind, type) and kind.__name__ not in seen:
        seen.add(kind.__name__)
        for hint in typing.get_type_hints(kind).values():
            _made_of(hint, seen)
    for part in typing.get_args(kind):
        _made_of(part, seen)
    return seen


def test_result_classes_are_public_with_all_they_are_made_of() -> None:
    whole = wsdiag.ConnectResult | wsdiag.PingEvent | wsdiag.IdleEvent | wsdiag.StreamEvent
    whole |= wsdiag.PathEvent | wsdiag.CheckResult | wsdiag.CheckSummary | wsdiag.ExplainVerdict
    classes = _made_of(whole, set())
    assert {"TcpFacts", "Threshold", "Candidate", "TrialActivity"} <= classes
    assert classes <= set(wsdiag.__all__)


@pytest.mark.parametrize("module", [wsdiag, wsdiag.protocol])
def test_what_is_not_public_is_an_attribute_error(module: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


@pytest.mark.parametrize(
    ("module", "least"), [(wsdiag.api, 15), (wsdiag.protocol, 13)], ids=["api", "protocol"]
)
def test_documented_examples_run(module: ModuleType, least: int) -> None:
    outcome = doctest.testmod(module)
    assert outcome.attempted >= least
    assert outcome.failed == 0


def test_examples_of_the_manual_run() -> None:
    text = (ROOT / "docs" / "python.md").read_text()
    examples = "\n".join(re.findall(r"^```pycon\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    test = doctest.DocTestParser().get_doctest(examples, {}, "python.md", None, None)
    outcome = doctest.DocTestRunner().run(test)
    assert outcome.attempted >= 20
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("options", "words", "apart"),
    [
        (wsdiag.PingOptions, keywords.PingKeywords, set()),
        (wsdiag.IdleOptions, keywords.IdleKeywords, set()),
        (wsdiag.StreamOptions, keywords.StreamKeywords, set()),
        (wsdiag.PathOptions, keywords.PathKeywords, set()),
        (wsdiag.CheckOptions, keywords.CheckKeywords, {"opens_with"}),
        (wsdiag.ServerOptions, keywords.ServeKeywords, {"faults"}),
    ],
)
def test_keywords_are_the_options(options: type, words: type, apart: set[str]) -> None:
    declared = typing.get_type_hints(options)
    wanted = {field.name: declared[field.name] for field in fields(options)}
    assert typing.get_type_hints(words) == {k: v for k, v in wanted.items() if k not in apart}


def test_a_fault_that_nobody_serves_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="did you mean /idle"):
        wsdiag.serve("idel/60").__aenter__().send(None)


def test_import_alone_loads_next_to_nothing() -> None:
    code = "import sys, wsdiag; print(sorted(m for m in sys.modules if m.startswith('wsdiag')))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['wsdiag', 'wsdiag._lazy', 'wsdiag.version']"


GOOD = """\
import asyncio
import wsdiag
from wsdiag import protocol


async def main() -> float | None:
    async with wsdiag.serve("latency/5", subprotocols=("chat",)) as server:
        result: wsdiag.ConnectResult = await wsdiag.connect(server.url)
        reveal_type(result.phases.tcp_ms)
        async for event in wsdiag.ping(server.url, count=3, interval_s=0.1, mode="text"):
            if isinstance(event, wsdiag.PingSummary):
                return event.p95_ms
        async for trial in wsdiag.idle_probe(server.url, to_s=60, trials=("idle", "ping")):
            if isinstance(trial, wsdiag.IdleVerdict):
                print(trial.verdict)
    return None


connection = protocol.Connection(protocol.Role.CLIENT)
reveal_type(connection.receive_data(b""))
asyncio.run(main())
"""
BAD = {
    "wsdiag.ping('ws://x', cuont=3)": 'Unexpected keyword argument "cuont" for "ping"',
    "wsdiag.ping('ws://x', count='3')": 'Argument "count" to "ping" has incompatible type "str"',
    "wsdiag.ping('ws://x', mode='echo')": 'Argument "mode" to "ping" has incompatible type',
    "wsdiag.idle_probe('ws://x', to=60)": 'Unexpected keyword argument "to" for "idle_probe"',
    "wsdiag.serve(prot=80)": 'Unexpected keyword argument "prot" for "serve"',
    "wsdiag.nonsense": 'Module has no attribute "nonsense"',
    "wsdiag.protocol.mask": 'Module has no attribute "mask"',
}


def test_a_program_of_a_users_is_checked_by_mypy(tmp_path: Path) -> None:
    """As an installed package is (py.typed), from a folder where no source of ours is."""
    program = tmp_path / "program.py"
    program.write_text(GOOD + "".join(f"{line}\n" for line in BAD))
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\nfollow_imports = silent\n")
    cache = str(ROOT / ".mypy_cache" / "users")
    out, err, _ = mypy.run(
        ["--strict", "--config-file", str(config), "--cache-dir", cache, str(program)]
    )
    assert not err
    notes = re.findall(r"note: (Revealed type is .*)", out)
    errors = {int(line): text for line, text in re.findall(r"py:(\d+): error: (.*)", out)}
    first_bad = len(GOOD.splitlines()) + 1
    assert len(notes) == 2, out
    assert "float | None" in notes[0].replace("Union[", "").replace("builtins.", ""), out
    assert "Violation" in notes[1], out
    for line, (statement, message) in enumerate(BAD.items(), first_bad):
        assert message in errors.get(line, ""), (statement, out)
    assert set(errors) == set(range(first_bad, first_bad + len(BAD))), out
