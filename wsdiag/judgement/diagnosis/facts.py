"""Everything that the hints may ask about a failed dial, as strings by name; unknown: missing.

The names are listed at the top of hints.toml. Nothing is judged here, with one exception: where a
chain of certificates breaks, as no pattern in a table could say that. What a peer sent is bounded
before any pattern sees it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

from wsdiag.judgement.diagnosis.page_text import excerpt, reasons
from wsdiag.judgement.products.endpoints import token_expired
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.protocol.content import body_text
from wsdiag.protocol.headers import get_all
from wsdiag.protocol.http import accept_key
from wsdiag.records import Drop
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.tls import chain
from wsdiag.transport.tls.values import TlsFacts

_MATCHED_CHARS = 4096
_TRUSTED_NAMES = 3

# Requests up to this size pass everywhere: the smallest limits are 4 KiB (Ratchet, Heroku's query).
_LARGE_HEAD_BYTES = 4000
_LARGE_PART_BYTES = 400
# Headers in which servers and proxies say why they refuse: of any maker's (l5d-proxy-error,
# ngrok-error-code, x-do-failure-msg), and the standard's (RFC 9209).
_TELLING_HEADER = re.compile(
    r"([a-z0-9]{1,20}-){1,6}(error|failure|reason|denied|blocked)(-[a-z0-9-]{1,40})?"
    r"|x-amzn-errortype|x-azure-externalerror|grpc-message|proxy-status"
)
# The limit that refuses, and when it ends: RateLimit and RateLimit-Policy (httpapi's draft), and
# the names that servers use meanwhile; what tells how long it lasts first. Most send them with
# every answer.
_RATE_LIMIT_HEADER = re.compile(r"(x-([a-z0-9]{1,20}-)?)?rate-?limit(ed|-[a-z0-9-]{1,40})?")
_LIMITING = (429, 503)
_TELLING_SHOWN = 3
_HEADER_CHARS = 120
# What portals of networks tell their login page: the client's addresses, the access point, the page
# that was wanted (CoovaChilli, UniFi, Cisco, Aruba, Meraki, FortiGate, MikroTik, nodogsplash).
_FOR_A_GATEWAY = re.compile(
    r"[?&](client_?mac|clientip|client_ip|ap_?mac|ap_?name|uamip|uamport|nasid|nas_?ip|gw_?(id|address|mac)"
    r"|switch_url|switchip|wlanuserip|wlanacname|user_?url|userurl|base_grant_url|user_continue_url"
    r"|link-login|ssid|essid|mac)=|[?&](cmd=login|res=notyet)\b|/fgtauth\b|/guest/s/",
    re.IGNORECASE,
)
# Portals that a host has at a path of its own: authentik's and oauth2-proxy's.
_PORTAL_OF_THE_HOST = re.compile(r"/outpost\.goauthentik\.io/|/oauth2/")
_QUOTED = re.compile(r'"[^"]*"')


def facts_of(url: str, error: DialError) -> dict[str, str]:
    """The facts of a failure; those that the transport found itself override what is made here."""
    url = error.report.url or url  # with -L, the one that was reached
    facts = {"url": url, "message": error.message, "phase": error.phase, "with_body": ""}
    facts |= _url_facts(url) | _http_facts(error.report) | _tls_facts(error)
    facts["origin-same"] = _origin_same(facts)
    facts["address"] = error.report.address or ""
    facts["proxy"] = error.report.proxy or ""
    if facts["address"]:
        facts["ip"] = facts["address"].rpartition(":")[0].strip("[]")
    facts["given"] = " ".join(sorted(error.report.given))
    if _is_address(facts.get("host", "")) and "--sni" not in error.report.given:
        facts["sni"] = "no"  # RFC 6066, 3: only names are sent
    if error.code.startswith("dns-"):
        facts["looked-up"] = _whose_name(facts, error)
    for name, value in error.facts.items():
        if value is None or name in ("status", "trusted"):
            continue
        if isinstance(value, bytes):
            facts[name] = value[:16].hex(" ")
        else:
            facts[name] = f"{value:g}" if isinstance(value, float) else str(value)[:_MATCHED_CHARS]
    if facts["proxy"] and error.phase in ("tls", "upgrade"):  # the proxy's is no news here
        facts["address"] = f"{facts.get('host')}:{facts.get('port')} (through the proxy)"
    if error.code == "cert-wrong-name":
        facts |= _name_facts(facts.get("wanted", ""), error.report.tls)
    if error.code == "bad-accept":
        facts["accept-alike"] = _accept_alike(facts, error.report)
    if facts.get("location"):
        facts |= _redirect_facts(url, facts)
    if chosen := facts.get("header-sec-websocket-protocol"):
        offered = ", ".join(get_all(error.report.request_headers, "sec-websocket-protocol"))
        names = [name.strip().lower() for name in offered.split(",")]
        facts["case-differs"] = "yes" if chosen.lower() in names else ""
    return facts


def facts_of_second_answer(url: str, answer: bytes, status: int | None) -> dict[str, str]:
    """The facts of an HTTP answer that came where frames were due; it may be cut off.

    `status`: of the answer that opened the connection: 101, or over HTTP/2 and 3 another.
    """
    http = "" if status == 101 else "2"
    head, _, body = answer.partition(b"\r\n\r\n")
    began, page = head.partition(b"\r\n")[0].decode("latin-1"), body.decode("utf-8", "replace")
    says = excerpt(page)
    facts = {"url": url, "http": http, "began": began, "status": began.partition(" ")[2]}
    facts |= {"page": page, "says": says, "with_body": f": {says}" if says else ""}
    return facts | _url_facts(url)


def facts_of_early_end(
    report: DialReport, how: str, code: int | None, reason: str | None, *, spoke: bool
) -> dict[str, str]:
    """The facts of an end that came before the first Ping was answered.

    `spoke`: messages had come.
    """
    closed = str(code or 1005) if how == "close" else ""
    said = (reason or "")[:_MATCHED_CHARS]
    expired = how == "close" and token_expired(Drop("close", 0.0, code=code, reason=said))
    facts = {"url": report.url, "ended": how, "close": closed, "reason": said}
    facts |= {"token-expired": "yes" if expired else "", "spoke": "yes" if spoke else ""}
    facts |= _url_facts(report.url) | _request_facts(report)
    return facts | {"origin-same": _origin_same(facts)}


def _origin_same(facts: dict[str, str]) -> str:
    return "yes" if facts.get("origin-sent") == facts.get("origin", "?") else ""


def _whose_name(facts: dict[str, str], error: DialError) -> str:
    """Whether the name that was looked up is the `endpoint`'s or the `proxy`'s."""
    if not facts["proxy"]:
        return "endpoint"
    if "host" in error.facts:
        return "endpoint" if error.facts["host"] == facts.get("host") else "proxy"
    # with socks5:// both are; any other proxy looks the endpoint's name up itself
    return "endpoint" if facts["proxy"].startswith("socks5:") else "proxy"


def _url_facts(url: str) -> dict[str, str]:
    try:
        target = Target.parse(url)
    except UrlError as error:
        return {"marked": f"{error.url[: error.position]}»{error.url[error.position :]}"}
    rest = target.url.split("://", 1)[1]
    origin = f"http{'s' if target.secure else ''}://{target.host_header}"
    return {
        "url_quoted": shlex.quote(url),
        "page_quoted": shlex.quote(origin + target.path_and_query),
        "host": target.host,
        "port": str(target.port),
        "path": target.path_and_query,
        "wss_url": f"wss://{rest}",
        "ws_url": f"ws://{rest}",
        "origin": origin,
    }


def _http_facts(report: DialReport) -> dict[str, str]:
    if report.status is None:
        return _request_facts(report)
    headers = [(name.lower(), value[:_MATCHED_CHARS]) for name, value in report.headers]
    body = body_text(list(report.headers), report.body)[:_MATCHED_CHARS]
    facts = {"header-www-authenticate": "it does not say which", "header-retry-after": "not given"}
    facts |= {f"header-{name}": ", ".join(get_all(headers, name)) for name, _ in headers}
    retry_after = facts["header-retry-after"]
    telling = _lines(report, _TELLING_HEADER)[:_TELLING_SHOWN]
    if report.status in _LIMITING:
        lines = _lines(report, _RATE_LIMIT_HEADER)
        first = sorted(lines, key=_of_a_limit)[:_TELLING_SHOWN]
        telling += [line for line in lines if line in first]
    facts |= {
        "status": f"{report.status} {report.reason}".strip(),
        "server": facts.get("header-server", "no Server header"),
        "products": ", ".join(hop.product for hop in hops_from_headers(report.headers)),
        "location": facts.get("header-location", ""),
        "retry-after": "" if retry_after == "not given" else retry_after,
        "auth-schemes": ", ".join(_auth_schemes(get_all(headers, "www-authenticate"))),
        "page": body,
        "says": excerpt(body),
        "own-words": excerpt(reasons(body)),
    }
    facts["with_body"] = f": {facts['says']}" if facts["says"] else ", with an empty body"
    facts["with_body"] += "".join(f"; {line}" for line in telling)
    return facts | _request_facts(report)


def _lines(report: DialReport, names: re.Pattern[str]) -> list[str]:
    """The answer's headers of these names that say something, as lines."""
    return [
        f"{name}: {value[:_HEADER_CHARS]}"
        for name, value in report.headers
        if names.fullmatch(name.lower()) and value
    ]


def _of_a_limit(line: str) -> int:
    """What of a limit is told first: until when it holds, what is left of it, how much it is."""
    name = line.partition(":")[0].lower()
    return 0 if "reset" in name else 1 if "remaining" in name or name == "ratelimit" else 2


def _auth_schemes(values: Sequence[str]) -> list[str]:
    """The schemes of WWW-Authenticate (RFC 9110, 11.6.1): names that no `=` follows."""
    parts = [part.split() for value in values for part in _QUOTED.sub('""', value).split(",")]
    return list(dict.fromkeys(part[0] for part in parts if part and "=" not in part[0]))


def _request_facts(report: DialReport) -> dict[str, str]:
    """What was sent: credentials by their scheme only, and what makes the request large."""
    sent = {name.lower(): value for name, value in report.request_headers}
    target = report.request_line.partition(" ")[2].rpartition(" ")[0]
    sizes = [(len(target), "the URL's path and query")]
    sizes += [(len(name) + len(value) + 4, name) for name, value in report.request_headers]
    sizes.sort(reverse=True)
    total = len("GET  HTTP/1.1\r\n\r\n") + sum(size for size, _ in sizes)
    parts = [f"{name} {size}" for size, name in sizes[:3] if size >= _LARGE_PART_BYTES]
    upgrades = (
        "websocket" in sent.get("upgrade", "").lower()
        and "upgrade" in sent.get("connection", "").lower()
    )
    scheme, _, secret = sent.get("authorization", "").partition(" ")
    return {
        "origin-sent": sent.get("origin", ""),
        "origin-shown": sent.get("origin") or "none",
        "authorization-sent": "yes" if "authorization" in sent else "",
        "authorization-shown": "yes" if "authorization" in sent else "no",
        "authorization-scheme": scheme if secret else "",
        "upgrade-sent": "yes" if upgrades or not sent or report.http2 is not None else "no",
        "http": "" if report.http2 is None else "3" if "quic" in report.phases_ms else "2",
        "head-size": f"{total} bytes" + (f": {', '.join(parts)}" if parts else ""),
        "head-large": "yes" if total > _LARGE_HEAD_BYTES else "",
    }


def _redirect_facts(url: str, facts: dict[str, str]) -> dict[str, str]:
    own = facts.get("host", "").lower()
    try:
        target = urljoin(re.sub(r"^ws", "http", url), facts["location"])
        parts = urlsplit(target)
        host = parts.hostname or ""
        shown = re.sub(r"^http", "ws", target)
        same = _same_resource(shown, url)
    except ValueError:
        return {"target": facts["location"]}
    elsewhere = "yes" if host and host != own else ""
    away = bool(elsewhere or _PORTAL_OF_THE_HOST.match(parts.path))
    portal = away and "rd" not in parse_qs(urlsplit(url).query) and _comes_back(parts.query, own)
    named = "." in own and not _is_address(own)
    inner = host == "localhost" or host.startswith("127.") or not ("." in host or ":" in host)
    back = parts.scheme == "http" and own in unquote(parts.query).lower()
    gateway = _FOR_A_GATEWAY.search(f"{parts.path}?{parts.query}"[:_MATCHED_CHARS])
    unrelated = named and elsewhere and host.split(".")[-2:] != own.split(".")[-2:]
    return {
        # a page is no endpoint: one that is elsewhere keeps the scheme that a browser needs
        "target": target if unrelated or portal else shown,
        "target-host": host,
        "portal": "yes" if portal else "",
        "elsewhere": elsewhere,
        "target-same": "yes" if same else "",
        "target-path": parts.path or "/",
        "downgrade": "yes" if url.startswith("wss:") and parts.scheme in ("http", "ws") else "",
        "unrelated": "yes" if unrelated else "",
        "to-address": "yes" if unrelated and _is_address(host) else "",
        "to-inner": "yes" if unrelated and inner else "",
        "names-client": "yes" if unrelated and (gateway or back) else "",
    }


def _comes_back(query: str, own: str) -> bool:
    """Whether a login portal is told by `rd` to send its user back to our host."""
    told = urlsplit(parse_qs(query).get("rd", [""])[0])
    return told.scheme in ("http", "https", "ws", "wss") and told.hostname == own


def _same_resource(one: str, other: str) -> bool:
    """Whether both URLs ask the same: a default port and the case of a host make no difference."""
    try:
        asked = [(t.origin, t.path_and_query) for t in map(Target.parse, (one, other))]
    except UrlError:
        return False
    return asked[0] == asked[1]


def _accept_alike(facts: dict[str, str], report: DialReport) -> str:
    """In what a Sec-WebSocket-Accept differs that was computed from our key; "" for another."""
    keys = get_all(report.request_headers, "sec-websocket-key")
    came = facts.get("header-sec-websocket-accept", "")
    wanted = accept_key(keys[0]) if keys else ""
    if came.strip("\"'") == wanted:
        return "its quotes"
    return "its case" if came.lower() == wanted.lower() != "" else ""


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


# -- certificates ----------------------------------------------------------------------------------


def _tls_facts(error: DialError) -> dict[str, str]:
    tls = error.report.tls
    if tls is None:
        if error.kind != "cert":
            return {}
        unseen = "a certificate that could not be looked at again"
        return {"verified": "", "sans": "other names", "issuer": unseen, "subject": unseen}
    days = tls.expires_in_days
    return {
        "verified": "yes" if tls.verified else "",
        "subject": tls.subject or "an unnamed subject",
        "issuer": tls.issuer or "an unnamed issuer",
        "sans": ", ".join(tls.sans) or tls.subject or "no name",
        "not_after": tls.not_after or "?",
        "not_before": tls.not_before or "?",
        "days_ago": str(-days - 1) if days is not None else "?",
        "expired": "yes" if days is not None and days < 0 else "",
        "purposes": ", ".join(tls.purposes),
        "issuer_url": tls.issuer_url or "",
        **_chain_facts(tls, error.facts.get("trusted", ())),
    }


def _name_facts(wanted: str, tls: TlsFacts | None) -> dict[str, str]:
    """Why a name that the certificate seems to have is not one of its names."""
    sans = () if tls is None else tls.sans
    deep = [
        name
        for name in sans
        if name.startswith("*.")
        and wanted.endswith(name[1:])
        and wanted.count(".") > name.count(".")
    ]
    listed = "yes" if _is_address(wanted) and wanted in sans else ""
    return {"wildcard": deep[0] if deep else "", "listed-as-name": listed}


def _chain_facts(tls: TlsFacts, trusted: Sequence[str]) -> dict[str, str]:
    """Where the chain breaks; {} where it is not known. `trusted`: the names in --cacert."""
    links = tls.chain
    if not links:
        return {}
    last, shape = chain.top(links), chain.shape(links)
    missing = last.subject if shape == "rooted" else last.issuer
    more = f" and {len(trusted) - _TRUSTED_NAMES} more" if len(trusted) > _TRUSTED_NAMES else ""
    facts = {
        "chain": shape,
        "count": str(len(links)),
        "top": last.subject,
        "missing": missing,
        "same_name": "yes" if missing in trusted else "",
        "trusted": "; ".join(trusted[:_TRUSTED_NAMES]) + more,
    }
    # The authority above the server's certificate whose dates are at fault.
    if (late := chain.expired(links[1:])) is not None:
        facts |= {"above_expired": late.subject, "above_expired_on": late.not_after}
    if (early := chain.not_yet_valid(links)) is not None:
        facts |= {"early": early.subject, "early_from": early.not_before}
    return facts
