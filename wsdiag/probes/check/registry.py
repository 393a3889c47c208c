"""All rules in the order of their results, and which of them a run asks for."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from wsdiag.probes.check import opening, survival, traffic
from wsdiag.probes.check.adversarial import ADVERSARIAL
from wsdiag.probes.check.conformance import CONFORMANCE
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rule import Rule

FITNESS: tuple[Rule, ...] = (
    opening.connect, opening.upgrade, opening.status, opening.certificate,
    opening.address_families, opening.subprotocol, opening.extension, opening.header,
    traffic.message, traffic.ping, traffic.close, survival.idle, survival.keepalive,
)  # fmt: skip
ALL: tuple[Rule, ...] = (*FITNESS, *CONFORMANCE, *ADVERSARIAL)


def chosen(options: CheckOptions) -> list[Rule]:
    """The rules that these options ask for, in the order of their results."""
    return [rule for rule in ALL if _in_group(rule, options) and _selected(rule.id, options)
            and rule.applies(options) and not (options.must_refuse and rule.needs_session
                                               )]  # fmt: skip


def _in_group(rule: Rule, options: CheckOptions) -> bool:
    if rule.group == "adversarial":
        return options.adversarial
    return rule.group == "fitness" or options.conformance or options.adversarial


def _selected(id: str, options: CheckOptions) -> bool:
    if options.only and not any(fnmatchcase(id, glob) for glob in options.only):
        return False
    return not any(fnmatchcase(id, glob) for glob in options.skip)


def refuse_unknown(globs: Sequence[str]) -> None:
    """ValueError for a pattern of --only or --skip that fits no check, with the nearest one."""
    ids = [rule.id for rule in ALL]
    for glob in globs:
        if any(fnmatchcase(id, glob) for id in ids):
            continue
        near = difflib.get_close_matches(glob, ids, n=1)
        ask = f"; did you mean {near[0]}?" if near else "; --list-checks shows all"
        raise ValueError(f"no check is called {glob!r}{ask}")
