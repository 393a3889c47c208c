"""The lock file has a version and hashes for everything, and says nothing of where it came from."""

from __future__ import annotations

import re
import tomllib

from tests.oldest import PROJECT, constraints

LOCK = (PROJECT.parent / "requirements-dev.lock").read_text(encoding="utf-8")


def test_every_dependency_is_locked_by_hashes() -> None:
    entries = re.split(r"\n(?=\S)", LOCK)
    assert all(re.match(r"[a-z0-9.-]+==\S+", each) for each in entries)
    assert [each.split()[0] for each in entries if "--hash=sha256:" not in each] == []
    locked = {each.partition("==")[0] for each in entries}
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(each for of in extras for each in of)]
    names = {re.split(r"[\[<>=;]", each)[0].lower() for each in wanted} - {"wsdiag"}
    assert names - locked == set()


def test_no_index_is_named() -> None:
    assert "://" not in LOCK
    assert "--index-url" not in LOCK


def test_the_oldest_are_told_by_what_is_declared() -> None:
    found = constraints()
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+==[0-9.]+", each) for each in found)
    assert {each.partition("==")[0] for each in found} >= {"typer", "rich", "h11", "cryptography"}
