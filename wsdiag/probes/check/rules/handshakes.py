"""Conformance of the opening handshake: what a server does with offers, versions and keys."""

from __future__ import annotations

from wsdiag.probes.check.findings import (
    Finding,
    failed,
    interrupted_by,
    passed,
    skipped,
    unmeasured,
    warned,
)
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.protocol.headers import get_all
from wsdiag.records import Status
from wsdiag.transport.report import DialError, DialReport

_UNKNOWN_SUBPROTOCOL = "wsdiag.unknown.v0"
_UNKNOWN_EXTENSION = "x-wsdiag-unknown"
# RFC 2606, 2: a name that is never registered
_FOREIGN_ORIGIN = "https://wsdiag.invalid"
_UNKNOWN_VERSION = "99"
_NO_101 = "no 101 response received"
_GRANTED = ("extension-not-offered", "extension-invalid")

# No refusal: no answer at all, too many connections, a gateway in trouble.
_NOT_REFUSED = frozenset({None, 429, 502, 503, 504})
# What a server says about the handshake itself (RFC 6455, 4.2.1 and 4.4); 403 may be about us.
_ABOUT_THE_REQUEST = frozenset({400, 426})


async def _ask(
    target: CheckTarget, *headers: tuple[str, str], **changes: object
) -> DialError | None:
    """Dial with these headers, too (one of ours that is empty is not sent); None if accepted."""
    try:
        async with target.connection(headers=(*target.endpoint.dial.headers, *headers), **changes):
            return None
    except DialError as error:
        return error


def _shown(error: DialError) -> str:
    if error.report.status is None:
        return error.message
    return f"{error.report.status} {error.report.reason}".rstrip()


async def _refused(target: CheckTarget, error: DialError, finding: Finding) -> Finding:
    """`finding` about a refusal, unless it was none, or an ordinary request is refused as well.

    A server that counts connections, or bans after odd ones, answers whatever comes next with 403.
    """
    if error.report.status in _NOT_REFUSED | {target.options.opens_with}:
        return interrupted_by(error)
    if error.report.status in _ABOUT_THE_REQUEST and finding.status == "pass":
        return finding
    if await _ask(target) is None:
        return finding
    return unmeasured(f"refused ({_shown(error)}), but so is an ordinary request by now")


@Rule(
    "accept-key",
    "conformance",
    "The accept key proves that the server, and no cache, answered this very request.",
    of_upgrade=True,
    section="RFC 6455, 4.2.2",
    schedule="last",
    needs="upgrade",
)
async def accept_key(target: CheckTarget) -> Finding:
    """Sec-WebSocket-Accept is derived from our key."""
    error = target.error
    if error is None:
        return passed("Sec-WebSocket-Accept fits our key")
    if error.code in ("bad-accept", "missing-accept"):
        return failed(error.message)
    return skipped(_NO_101)


@Rule(
    "upgrade-headers",
    "conformance",
    "Clients must refuse a 101 without Upgrade: websocket and Connection: Upgrade.",
    of_upgrade=True,
    section="RFC 6455, 4.2.2",
    schedule="last",
    needs="upgrade",
)
async def upgrade_headers(target: CheckTarget) -> Finding:
    """The 101 carries Upgrade: websocket and Connection: Upgrade."""
    error = target.error
    if error is not None and error.code in ("bad-upgrade", "bad-connection"):
        return failed(error.message)
    if target.report.status != 101 and error is not None:
        return skipped(_NO_101)
    return passed("Upgrade: websocket, Connection: Upgrade")


@Rule(
    "connection-tokens",
    "conformance",
    "Firefox sends Connection: keep-alive, Upgrade; names and tokens compare without case.",
    of_upgrade=True,
    section="RFC 6455, 4.2.1",
    schedule="last",
)
async def connection_tokens(target: CheckTarget) -> Finding:
    """Upgrade among other tokens of Connection, and in other case, is understood."""
    error = await _ask(target, ("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"))
    if error is None:
        return passed("Connection: keep-alive, Upgrade and Upgrade: WebSocket are understood")
    detail = f"Connection: keep-alive, Upgrade with Upgrade: WebSocket was refused: {_shown(error)}"
    return await _refused(target, error, failed(detail, error.report.status))


@Rule(
    "version",
    "conformance",
    "A client of another version must learn which one to speak, not get frames it misreads.",
    of_upgrade=True,
    section="RFC 6455, 4.2.1",
    schedule="last",
)
async def version(target: CheckTarget) -> Finding:
    """An unknown version is refused, with Sec-WebSocket-Version naming those understood."""
    error = await _ask(target, ("Sec-WebSocket-Version", _UNKNOWN_VERSION))
    if error is None or error.report.status == 101:
        return failed(f"version {_UNKNOWN_VERSION} was accepted", 101.0)
    return await _refused(target, error, judge_version(error.report))


def judge_version(report: DialReport) -> Finding:
    """Whether a refusal of an unknown version says what it should (RFC 6455, 4.2.2 and 4.4)."""
    offered = ", ".join(get_all(list(report.headers), "Sec-WebSocket-Version"))
    refused = f"refused with {report.status} {report.reason}".rstrip()
    if report.status not in _ABOUT_THE_REQUEST:
        return warned(f"{refused}; 426 or 400 would say why", report.status)
    if not offered:
        return warned(f"{refused}, without Sec-WebSocket-Version", report.status)
    return passed(f"{refused}, Sec-WebSocket-Version: {offered}", report.status)


def _key_rule(id: str, key: str, what: str, worst: Status, excuse: str = "") -> Rule:
    @Rule(
        id,
        "conformance",
        "A server that accepts it may be a cache, or may take something else for a client.",
        section="RFC 6455, 4.2.1",
        schedule="last",
        worst=worst,
        of_upgrade=True,
    )
    async def judge(target: CheckTarget) -> Finding:
        error = await _ask(target, ("Sec-WebSocket-Key", key))
        if error is None or error.report.status == 101:
            return Finding(worst, f"{what} was accepted{excuse}", 101.0)
        refused = passed(f"{what} was refused: {_shown(error)}", error.report.status)
        return await _refused(target, error, refused)

    return judge


key_missing = _key_rule("key-missing", "", "a request without Sec-WebSocket-Key", "fail")
key_invalid = _key_rule(
    "key-invalid",
    "c2hvcnQ=",
    "a Sec-WebSocket-Key of five bytes",
    "warn",
    "; a server need not decode it (4.2.2)",
)


@Rule(
    "subprotocol-unasked",
    "conformance",
    "A client that offered no subprotocol must fail the connection when one is chosen.",
    section="RFC 6455, 4.2.2",
    schedule="last",
)
async def subprotocol_unasked(target: CheckTarget) -> Finding:
    """Nothing is chosen where nothing was offered."""
    error = await _ask(target, subprotocols=())
    if error is None:
        return passed("none offered, none chosen")
    if error.code == "subprotocol-not-offered":
        return failed(error.message)
    refused = passed(f"refused without one: {_shown(error)}", error.report.status)
    return await _refused(target, error, refused)


@Rule(
    "subprotocol-unknown",
    "conformance",
    "A server that agrees to anything has not agreed to what it then speaks.",
    section="RFC 6455, 4.2.2",
    schedule="last",
)
async def subprotocol_unknown(target: CheckTarget) -> Finding:
    """An unknown subprotocol is not chosen."""
    try:
        async with target.connection(subprotocols=(_UNKNOWN_SUBPROTOCOL,)) as session:
            chosen = session.report.subprotocol if session.report is not None else None
    except DialError as error:
        if error.code == "subprotocol-not-offered":
            return failed(error.message)
        refused = passed(f"refused: {_shown(error)}", error.report.status)
        return await _refused(target, error, refused)
    if chosen is None:
        return passed(f"{_UNKNOWN_SUBPROTOCOL} offered, none chosen")
    return warned(f"the server agreed to {chosen}, which does not exist", chosen)


@Rule(
    "extension-unasked",
    "conformance",
    "An extension that was not offered changes frames in a way the client cannot read.",
    section="RFC 6455, 9.1",
    schedule="last",
)
async def extension_unasked(target: CheckTarget) -> Finding:
    """Nothing is granted where nothing was offered."""
    error = await _ask(target, compression=False)
    if error is None:
        return passed("none offered, none granted")
    if error.code in _GRANTED:
        return failed(error.message)
    refused = passed(f"refused without any: {_shown(error)}", error.report.status)
    return await _refused(target, error, refused)


@Rule(
    "extension-unknown",
    "conformance",
    "Unknown extensions must be ignored, or no new one could ever be introduced.",
    section="RFC 6455, 9.1",
    schedule="last",
)
async def extension_unknown(target: CheckTarget) -> Finding:
    """An unknown extension is ignored."""
    # what the first connection offered stays in the offer: some servers insist on compression
    usual = get_all(list(target.report.request_headers), "Sec-WebSocket-Extensions")
    offer = ", ".join([f"{_UNKNOWN_EXTENSION}; level=1", *usual])
    error = await _ask(target, ("Sec-WebSocket-Extensions", offer))
    if error is None:
        return passed(f"{_UNKNOWN_EXTENSION} offered, ignored")
    if error.code in _GRANTED:
        return failed(error.message)
    # 9.1 lets a server choose, and nothing obliges it to accept a handshake
    detail = f"the offer of {_UNKNOWN_EXTENSION} was refused, not ignored: {_shown(error)}"
    return await _refused(target, error, warned(detail, error.report.status))


@Rule(
    "origin",
    "conformance",
    "If sessions rest on cookies, any web page can open a connection as its visitor.",
    section="RFC 6455, 10.2",
    schedule="last",
    worst="pass",
)
async def origin(target: CheckTarget) -> Finding:
    """What a foreign Origin gets; never wrong, because only the owner knows what is right."""
    error = await _ask(target, origin=_FOREIGN_ORIGIN)
    if error is None:
        detail = f"Origin: {_FOREIGN_ORIGIN} is accepted (fine unless cookies identify users)"
        return passed(detail, "accepted")
    refused = passed(f"Origin: {_FOREIGN_ORIGIN} is refused: {_shown(error)}", "refused")
    return await _refused(target, error, refused)
