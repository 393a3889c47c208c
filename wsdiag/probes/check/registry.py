"""All rules in the order of their results, and which of them a run asks for."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from types import ModuleType

from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.rules import (
    adversarial,
    conformance,
    feed,
    handshakes,
    http2,
    opening,
    survival,
    traffic,
)


def _declared(*modules: ModuleType) -> Iterator[Rule]:
    """The rules that modules declare, alone or in tuples, as they follow one another there."""
    for module in modules:
        for value in vars(module).values():
            for each in value if isinstance(value, tuple) else (value,):
                if isinstance(each, Rule):
                    yield each


# The order of results: that of these modules, and in each that of its declarations.
ALL = tuple(
    _declared(opening, traffic, survival, feed, http2, handshakes, conformance, adversarial)
)


def chosen(options: CheckOptions) -> list[Rule]:
    """The rules that these options ask for, in the order of their results."""
    return [rule for rule in ALL if _selected(rule.id, options) and rule.applies(options)]


def _selected(id: str, options: CheckOptions) -> bool:
    if options.only and not any(fnmatchcase(id, glob) for glob in options.only):
        return False
    return not any(fnmatchcase(id, glob) for glob in options.skip)


def options_that_need_an_upgrade() -> dict[str, str]:
    """{flag: field of `CheckOptions`} of what cannot be asked of an endpoint that must refuse."""
    found = {"--conformance": "conformance", "--adversarial": "adversarial"}
    for rule in ALL:
        if rule.needs != "dial":
            found |= {**rule.asked_by, **rule.limits}
    return found


def refuse_inapplicable(options: CheckOptions) -> None:
    """ValueError for an --only that selects nothing with these options, with what it would need.

    A check that was named and is left out in silence would count as passed.
    """
    for glob in options.only:
        named = [rule for rule in ALL if fnmatchcase(rule.id, glob)]
        if any(rule.applies(options) for rule in named):
            continue
        first = named[0]
        if not first.in_group(options):
            needed = f"--{first.group}"
        elif options.must_refuse:
            needed = "a connection, which --expect-status says is refused"
        else:
            needed = " or ".join(first.asked_by)
        raise ValueError(f"{glob} needs {needed}")


def refuse_unknown(globs: Sequence[str]) -> None:
    """ValueError for a pattern of --only or --skip that fits no check, with the nearest one."""
    ids = [rule.id for rule in ALL]
    for glob in globs:
        if any(fnmatchcase(id, glob) for id in ids):
            continue
        near = difflib.get_close_matches(glob, ids, n=1)
        ask = f"; did you mean {near[0]}?" if near else "; --list-checks shows all"
        raise ValueError(f"no check is called {glob!r}{ask}")
