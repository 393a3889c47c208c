"""From a failed dial to a diagnosis: what was seen, what it usually means, what to change.

The words are data in hints.toml; this module finds the entry that fits and fills it in.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any

from wsdiag.judgement.diagnosis.facts import facts_of, facts_of_early_end, facts_of_second_answer
from wsdiag.records import Error
from wsdiag.transport.report import DialError, DialReport

_FACT_CHARS = 300
# What opens a WebSocket, and how it gets lost on the way, in the words of each version of HTTP.
_OF_UPGRADE = {"opening": "101", "stripping": "a proxy strips Upgrade"}
_OF_CONNECT = {
    "opening": "200",
    "stripping": "a proxy passes the extended CONNECT on as a plain request",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One entry of hints.toml, where its fields are explained."""

    codes: tuple[str, ...]
    where: tuple[tuple[str, re.Pattern[str]], ...]
    seen: str
    usually: str
    change: str
    offers: Mapping[str, str]
    example: Mapping[str, str]

    def fits(self, code: str, facts: Mapping[str, str]) -> bool:
        """Whether this entry is about such a failure."""
        if not any(
            code.startswith(own[:-1]) if own.endswith("*") else code == own for own in self.codes
        ):
            return False
        return all(pattern.search(facts.get(name, "")) for name, pattern in self.where)


@cache
def hints() -> tuple[Hint, ...]:
    """All entries, in the order in which they are tried."""
    text = resources.files("wsdiag.judgement.diagnosis").joinpath("hints.toml").read_text("utf-8")
    data = tomllib.loads(text)
    return tuple(_hint(row, data["pattern"]) for row in data["hint"])


def _hint(row: Mapping[str, Any], patterns: Mapping[str, str]) -> Hint:
    codes = row["code"]
    where = {name: patterns.get(value, value) for name, value in row.get("where", {}).items()}
    return Hint(
        codes=(codes,) if isinstance(codes, str) else tuple(codes),
        where=tuple((name, re.compile(value, re.IGNORECASE)) for name, value in where.items()),
        seen=row["seen"],
        usually=row.get("usually", ""),
        change=row.get("change", ""),
        offers=row.get("offers", {}),
        example=row["example"],
    )


def diagnose(url: str, error: DialError) -> Error:
    """The record of a failed dial; every DialError has one, known or not."""
    message, hint = explain(error.code, facts_of(url, error), error.report.given)
    if error.phase in ("dns", "tcp") and error.report.proxy is None and error.report.proxy_why:
        hint = f"No proxy was used: {error.report.proxy_why}. {hint or ''}".strip()
    return Error(url, error.phase, error.kind, message, hint)


def explain_second_answer(url: str, answer: bytes, status: int | None) -> tuple[str, str | None]:
    """(message, hint) for an HTTP answer where frames were due; `status`: of the first."""
    return explain("second-answer", facts_of_second_answer(url, answer, status))


def explain_early_end(
    report: DialReport, how: str, code: int | None, reason: str | None, *, spoke: bool
) -> str | None:
    """The hint for an end right after the opening that is known; None: nothing special is.

    `how`: as a drop's; `code` and `reason`: those of its Close frame; `spoke`: messages had come.
    """
    facts = facts_of_early_end(report, how, code, reason, spoke=spoke)
    return explain("ended-early", facts, report.given)[1]


def explain(
    code: str, facts: Mapping[str, str], given: Collection[str] = ()
) -> tuple[str, str | None]:
    """(message, hint) for a failure's stable id and its facts; no option of `given` is proposed."""
    connects = facts.get("http") in ("2", "3")
    facts = {**(_OF_CONNECT if connects else _OF_UPGRADE), **facts}
    for hint in hints():
        if hint.fits(code, facts):
            offers = [text for flag, text in hint.offers.items() if flag not in given]
            advice = " ".join(part for part in (hint.usually, hint.change, *offers) if part)
            return fill(hint.seen, facts), fill(advice, facts) or None
    return facts.get("message", code), None


class _Filler(Formatter):
    """Fills `{fact}` with the fact, or `?`; facts come from the peer and are inserted verbatim."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> str:
        value = str(kwargs.get(str(key), "?"))
        return value if len(value) <= _FACT_CHARS else value[: _FACT_CHARS - 1] + "…"


def fill(template: str, facts: Mapping[str, str]) -> str:
    """A template with its `{facts}` inserted."""
    return _Filler().vformat(template, (), dict(facts))
