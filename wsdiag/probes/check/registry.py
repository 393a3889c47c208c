"""All rules in the order of their results, and which of them a run asks for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.rules import opening, survival, traffic
from wsdiag.probes.check.rules.adversarial import ADVERSARIAL
from wsdiag.probes.check.rules.conformance import CONFORMANCE

FITNESS: tuple[Rule, ...] = (
    opening.connect,
    opening.upgrade,
    opening.status,
    opening.certificate,
    opening.address_families,
    opening.subprotocol,
    opening.extension,
    opening.header,
    traffic.message,
    traffic.ping,
    traffic.close,
    survival.idle,
    survival.keepalive,
)
ALL: tuple[Rule, ...] = (*FITNESS, *CONFORMANCE, *ADVERSARIAL)


def chosen(options: CheckOptions) -> list[Rule]:
    """The rules that these options ask for, in the order of their results."""
    return [rule for rule in ALL if _selected(rule.id, options) and _fits(rule, options)]


def _fits(rule: Rule, options: CheckOptions) -> bool:
    """Whether a rule can be judged with these options, --only and --skip aside."""
    barred = options.must_refuse and rule.needs_session
    return _in_group(rule, options) and rule.applies(options) and not barred


def _in_group(rule: Rule, options: CheckOptions) -> bool:
    if rule.group == "adversarial":
        return options.adversarial
    return rule.group == "fitness" or options.conformance or options.adversarial


def _selected(id: str, options: CheckOptions) -> bool:
    if options.only and not any(fnmatchcase(id, glob) for glob in options.only):
        return False
    return not any(fnmatchcase(id, glob) for glob in options.skip)


# What a rule of fitness needs to apply at all.
_OPTIONS = {
    "status": "--expect-status",
    "subprotocol": "--expect-subprotocol",
    "header": "--expect-header",
    "extension": "--expect-extension",
    "message": "--send or --expect",
    "idle": "--require-idle",
    "keepalive": "--require-keepalive",
}


def refuse_idle_patterns(options: CheckOptions) -> None:
    """ValueError for an --only that selects nothing with these options, with what it would need.

    A check that was named and is left out in silence would count as passed.
    """
    for glob in options.only:
        named = [rule for rule in ALL if fnmatchcase(rule.id, glob)]
        if not any(_fits(rule, options) for rule in named):
            raise ValueError(f"{glob} needs {_need(named[0], options)}")


def _need(rule: Rule, options: CheckOptions) -> str:
    if not _in_group(rule, options):
        return f"--{rule.group}"
    if options.must_refuse:
        return "a connection, which --expect-status says is refused"
    return _OPTIONS.get(rule.id, "an option of its own")


def refuse_unknown(globs: Sequence[str]) -> None:
    """ValueError for a pattern of --only or --skip that fits no check, with the nearest one."""
    ids = [rule.id for rule in ALL]
    for glob in globs:
        if any(fnmatchcase(id, glob) for id in ids):
            continue
        near = difflib.get_close_matches(glob, ids, n=1)
        ask = f"; did you mean {near[0]}?" if near else "; --list-checks shows all"
        raise ValueError(f"no check is called {glob!r}{ask}")
