"""From a failed dial to a diagnosis: what was seen, what it usually means, what to change.

The words are data in hints.toml; this module finds the entry that fits and fills it in.
"""

from __future__ import annotations

import html
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Formatter
from typing import Any
from urllib.parse import urljoin, urlsplit

from wsdiag.judgement.diagnosis.chain_facts import certificate_facts, chain_facts
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.records import Error
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError, DialReport

EXCERPT_LINES = 3
EXCERPT_CHARS = 200
_MATCHED_CHARS = 4096
_SHOWN_CHARS = 300

_INVISIBLE = re.compile(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)|<!--.*?(-->|$)")
_TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title")
_TAG = re.compile(r"(?s)<[^>]*>")

RoundTripFacts = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One entry of hints.toml, where its fields are explained."""

    codes: tuple[str, ...]
    where: tuple[tuple[str, re.Pattern[str]], ...]
    seen: str
    usually: str
    change: str
    example: Mapping[str, str]

    def fits(self, code: str, facts: RoundTripFacts) -> bool:
        """Whether this entry is about such a failure."""
        if not any(_same(code, own) for own in self.codes):
            return False
        return all(pattern.search(facts.get(name, "")) for name, pattern in self.where)


def _same(code: str, own: str) -> bool:
    return code.startswith(own[:-1]) if own.endswith("*") else code == own


@cache
def hints() -> tuple[Hint, ...]:
    """All entries, in the order in which they are tried."""
    text = resources.files("wsdiag.judgement.diagnosis").joinpath("hints.toml").read_text("utf-8")
    return tuple(_hint(row) for row in tomllib.loads(text)["hint"])


def _hint(row: Mapping[str, Any]) -> Hint:
    codes = row["code"]
    where = row.get("where", {})
    return Hint(
        codes=(codes,) if isinstance(codes, str) else tuple(codes),
        where=tuple((name, re.compile(value, re.IGNORECASE)) for name, value in where.items()),
        seen=row["seen"],
        usually=row.get("usually", ""),
        change=row.get("change", ""),
        example=row["example"],
    )


def diagnose(url: str, error: DialError) -> Error:
    """The record of a failed dial; every DialError has one, known or not."""
    message, hint = explain(error.code, facts_of(url, error))
    return Error(url, error.phase, error.kind, message, hint)


def explain(code: str, facts: RoundTripFacts) -> tuple[str, str | None]:
    """(message, hint) for a failure's stable id and its facts."""
    for hint in hints():
        if hint.fits(code, facts):
            advice = " ".join(part for part in (hint.usually, hint.change) if part)
            return fill(hint.seen, facts), fill(advice, facts) or None
    return facts.get("message", code), None


class _Filler(Formatter):
    """Fills `{fact}` with the fact, or `?`; facts come from the peer and are inserted verbatim."""

    def get_value(self, key: int | str, args: Any, kwargs: Any) -> str:
        value = str(kwargs.get(str(key), "?"))
        return value if len(value) <= _SHOWN_CHARS else value[: _SHOWN_CHARS - 1] + "…"


def fill(template: str, facts: RoundTripFacts) -> str:
    """A template with its `{facts}` inserted."""
    return _Filler().vformat(template, (), dict(facts))


def facts_of(url: str, error: DialError) -> dict[str, str]:
    """Everything the hints may ask about, as strings; what is unknown is missing."""
    url = error.report.url or url  # with -L, the one that was reached
    facts = {"url": url, "message": error.message, "phase": error.phase, "with_body": ""}
    facts |= _url_facts(url) | _http_facts(error.report) | _tls_facts(error)
    facts["address"] = error.report.address or ""
    facts["proxy"] = error.report.proxy or ""
    if error.code.startswith("dns-"):
        facts["looked-up"] = _whose_name(facts, error)
    facts |= {
        name: _words(value)
        for name, value in error.facts.items()
        if value is not None and name not in ("status", "attempts", "trusted")
    }
    if facts.get("location"):
        facts |= _redirect_facts(url, facts)
    return facts


def _whose_name(facts: RoundTripFacts, error: DialError) -> str:
    """Whether the name that was looked up is the `endpoint`'s or the `proxy`'s."""
    if not facts["proxy"]:
        return "endpoint"
    if "host" in error.facts:
        return "endpoint" if error.facts["host"] == facts.get("host") else "proxy"
    # with socks5:// both are; any other proxy looks the endpoint's name up itself
    return "endpoint" if facts["proxy"].startswith("socks5:") else "proxy"


def _words(value: object) -> str:
    if isinstance(value, bytes):
        return value[:16].hex(" ")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _url_facts(url: str) -> dict[str, str]:
    try:
        target = Target.parse(url)
    except UrlError as error:
        return {"marked": f"{error.url[: error.position]}»{error.url[error.position :]}"}
    rest = target.url.split("://", 1)[1]
    return {
        "url_quoted": shlex.quote(url),
        "host": target.host,
        "port": str(target.port),
        "path": target.path_and_query,
        "wss_url": f"wss://{rest}",
        "ws_url": f"ws://{rest}",
        "origin": f"http{'s' if target.secure else ''}://{target.host_header}",
    }


def _http_facts(report: DialReport) -> dict[str, str]:
    if report.status is None:
        return {}
    body = report.body[:_MATCHED_CHARS].decode("utf-8", "replace")
    facts = {"header-www-authenticate": "it does not say which", "header-retry-after": "not said"}
    facts |= {f"header-{name.lower()}": value for name, value in report.headers}
    facts |= {
        "status": f"{report.status} {report.reason}".strip(),
        "server": facts.get("header-server", "no Server header"),
        "products": ", ".join(hop.product for hop in hops_from_headers(report.headers)),
        "location": facts.get("header-location", ""),
        "page": body,
        "says": excerpt(body),
    }
    facts["with_body"] = f": {facts['says']}" if facts["says"] else ", with an empty body"
    sent = {name.lower(): value for name, value in report.request_headers}
    facts["origin-sent"] = sent.get("origin", "")
    facts["origin-shown"] = sent.get("origin") or "none"
    facts["authorization-sent"] = "yes" if "authorization" in sent else ""
    return facts


def _tls_facts(error: DialError) -> dict[str, str]:
    tls = error.report.tls
    if tls is None and error.kind != "cert":
        return {}
    trusted = error.facts.get("trusted", ())
    verified = "yes" if tls is not None and tls.verified else ""
    return {"verified": verified, **certificate_facts(tls), **chain_facts(tls, trusted)}


def _redirect_facts(url: str, facts: RoundTripFacts) -> dict[str, str]:
    base = facts.get("wss_url" if facts.get("port") == "443" else "ws_url", url)
    try:
        target = urljoin(re.sub(r"^ws", "http", base), facts["location"])
        host = urlsplit(target).hostname or ""
    except ValueError:
        return {"target": facts["location"]}
    elsewhere = "yes" if host and host != facts.get("host") else ""
    return {"target": re.sub(r"^http", "ws", target), "target-host": host, "elsewhere": elsewhere}


def readable(body: str, limit: int) -> list[str]:
    """The first lines of a body as a person would read them: title first, tags stripped."""
    title = _TITLE.search(body)
    text = _TAG.sub(" ", _INVISIBLE.sub(" ", body))
    lines = [" ".join(html.unescape(line).split()) for line in text.splitlines()]
    if title is not None:
        lines.insert(0, " ".join(html.unescape(title[1]).split()))
    return list(dict.fromkeys(line for line in lines if line))[:limit]


def excerpt(body: str) -> str:
    """The first lines of a body in one, bounded."""
    shown = " / ".join(readable(body, EXCERPT_LINES))
    return shown if len(shown) <= EXCERPT_CHARS else shown[: EXCERPT_CHARS - 1] + "…"
