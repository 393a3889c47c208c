"""Conformance of the opening handshake: what a server does with offers, versions and keys."""

from __future__ import annotations

from wsdiag.probes.check.rule import (
    Finding,
    Rule,
    failed,
    passed,
    rule,
    skipped,
    unmeasured,
    warned,
)
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.check.waiting import interrupted_by
from wsdiag.protocol.headers import get_all
from wsdiag.records import Status
from wsdiag.transport.report import DialError, DialReport

UNKNOWN_SUBPROTOCOL = "wsdiag.unknown.v0"
UNKNOWN_EXTENSION = "x-wsdiag-unknown"
# RFC 2606, 2: a name that can belong to nobody
FOREIGN_ORIGIN = "https://wsdiag.invalid"
_UNKNOWN_VERSION = "99"


async def _ask(
    subject: CheckTarget, *headers: tuple[str, str], **changes: object
) -> DialError | None:
    """Dial with these headers; None when the upgrade was accepted as RFC 6455 has it."""
    try:
        async with subject.visit(headers=subject.with_header(*headers), **changes):
            return None
    except DialError as error:
        return error


def _refusal(error: DialError) -> str:
    if error.report.status is None:
        return error.message
    return f"{error.report.status} {error.report.reason}".rstrip()


# What a server says about the handshake itself (RFC 6455, 4.2.1 and 4.4); 403 may be about us.
_ABOUT_THE_REQUEST = frozenset({400, 426})


async def _over_it(subject: CheckTarget, error: DialError, finding: Finding) -> Finding:
    """`finding` about a refusal, unless an ordinary request is refused by now as well.

    Who counts connections, or bans after odd ones, answers with 403 to whatever comes next.
    """
    if error.report.status in _ABOUT_THE_REQUEST and finding.status == "pass":
        return finding
    usual = await _ask(subject)
    if usual is None:
        return finding
    return unmeasured(f"refused ({_refusal(error)}), but so is an ordinary request by now")


# Too many connections, or a gateway in trouble: this says nothing about the rule.
_BUSY = frozenset({429, 502, 503, 504})


def _unanswered(error: DialError) -> bool:
    """Whether no HTTP answer to the question came at all."""
    return error.report.status is None or error.report.status in _BUSY


@rule(
    "accept-key",
    "conformance",
    section="RFC 6455, 4.2.2",
    schedule="after",
    needs_session=False,
    why="The accept key proves that the server, and no cache, answered this very request.",
)
async def accept_key(subject: CheckTarget) -> Finding:
    """Sec-WebSocket-Accept is derived from our key."""
    error = subject.opened.error
    if error is None:
        return passed("Sec-WebSocket-Accept fits our key")
    if error.code in ("bad-accept", "missing-accept"):
        return failed(error.message)
    return skipped(_NO_101)


_NO_101 = "there was no 101 to look at"


@rule(
    "upgrade-headers",
    "conformance",
    section="RFC 6455, 4.2.2",
    schedule="after",
    needs_session=False,
    why="Clients must refuse a 101 without Upgrade: websocket and Connection: Upgrade.",
)
async def upgrade_headers(subject: CheckTarget) -> Finding:
    """The 101 carries Upgrade: websocket and Connection: Upgrade."""
    error = subject.opened.error
    if error is not None and error.code in ("bad-upgrade", "bad-connection"):
        return failed(error.message)
    if subject.report.status != 101 and error is not None:
        return skipped(_NO_101)
    return passed("Upgrade: websocket, Connection: Upgrade")


@rule(
    "connection-tokens",
    "conformance",
    section="RFC 6455, 4.2.1",
    schedule="after",
    why="Firefox sends Connection: keep-alive, Upgrade; names and tokens compare without case.",
)
async def connection_tokens(subject: CheckTarget) -> Finding:
    """Upgrade among other tokens of Connection, and in other case, is understood."""
    error = await _ask(subject, ("Connection", "keep-alive, Upgrade"), ("Upgrade", "WebSocket"))
    if error is None:
        return passed("Connection: keep-alive, Upgrade and Upgrade: WebSocket are understood")
    if _unanswered(error):
        return interrupted_by(error)
    said = f"Connection: keep-alive, Upgrade with Upgrade: WebSocket was refused: {_refusal(error)}"
    return await _over_it(subject, error, failed(said, error.report.status))


@rule(
    "version",
    "conformance",
    section="RFC 6455, 4.2.1",
    schedule="after",
    why="A client of another version must learn which one to speak, not get frames it misreads.",
)
async def version(subject: CheckTarget) -> Finding:
    """An unknown version is refused, with Sec-WebSocket-Version naming those understood."""
    error = await _ask(subject, ("Sec-WebSocket-Version", _UNKNOWN_VERSION))
    if error is None or error.report.status == 101:
        return failed(f"version {_UNKNOWN_VERSION} was accepted", 101.0)
    if _unanswered(error):
        return interrupted_by(error)
    return await _over_it(subject, error, judge_version(error.report))


def judge_version(report: DialReport) -> Finding:
    """Whether a refusal of an unknown version says what it should (RFC 6455, 4.2.2 and 4.4)."""
    offered = ", ".join(get_all(list(report.headers), "Sec-WebSocket-Version"))
    said = f"{report.status} {report.reason}".rstrip()
    if report.status not in (400, 426):
        return warned(f"refused with {said}; 426 or 400 would say why", report.status)
    if not offered:
        return warned(f"refused with {said}, without Sec-WebSocket-Version", report.status)
    return passed(f"refused with {said}, Sec-WebSocket-Version: {offered}", report.status)


def _key_rule(id: str, key: str, what: str, worst: Status, excuse: str = "") -> Rule:
    @rule(
        id,
        "conformance",
        "Whoever accepts it may be a cache, or talk to something that is no WebSocket client.",
        section="RFC 6455, 4.2.1",
        schedule="after",
        worst=worst,
    )
    async def judge(subject: CheckTarget) -> Finding:
        error = await _ask(subject, ("Sec-WebSocket-Key", key))
        if error is None or error.report.status == 101:
            return Finding(worst, f"{what} was accepted{excuse}", 101.0)
        if _unanswered(error):
            return interrupted_by(error)
        refused = passed(f"{what} was refused: {_refusal(error)}", error.report.status)
        return await _over_it(subject, error, refused)

    return judge


@rule(
    "subprotocol-unasked",
    "conformance",
    section="RFC 6455, 4.2.2",
    schedule="after",
    why="A client that offered no subprotocol must fail the connection when one is chosen.",
)
async def subprotocol_unasked(subject: CheckTarget) -> Finding:
    """Nothing is chosen where nothing was offered."""
    error = await _ask(subject, subprotocols=())
    if error is None:
        return passed("none offered, none chosen")
    if error.code == "subprotocol-not-offered":
        return failed(error.message)
    if _unanswered(error) or error.report.status == 101:
        return interrupted_by(error)
    refused = passed(f"refused without one: {_refusal(error)}", error.report.status)
    return await _over_it(subject, error, refused)


@rule(
    "subprotocol-unknown",
    "conformance",
    section="RFC 6455, 4.2.2",
    schedule="after",
    why="A server that agrees to anything has not agreed to what it then speaks.",
)
async def subprotocol_unknown(subject: CheckTarget) -> Finding:
    """A subprotocol that nobody knows is not chosen."""
    try:
        async with subject.visit(subprotocols=(UNKNOWN_SUBPROTOCOL,)) as session:
            chosen = session.report.subprotocol if session.report is not None else None
    except DialError as error:
        if error.code == "subprotocol-not-offered":
            return failed(error.message)
        if _unanswered(error) or error.report.status == 101:
            return interrupted_by(error)
        refused = passed(f"refused: {_refusal(error)}", error.report.status)
        return await _over_it(subject, error, refused)
    if chosen is None:
        return passed(f"{UNKNOWN_SUBPROTOCOL} offered, none chosen")
    return warned(f"the server agreed to {chosen}, which does not exist", chosen)


@rule(
    "extension-unasked",
    "conformance",
    section="RFC 6455, 9.1",
    schedule="after",
    why="An extension that was not offered changes frames in a way the client cannot read.",
)
async def extension_unasked(subject: CheckTarget) -> Finding:
    """Nothing is granted where nothing was offered."""
    error = await _ask(subject, compression=False)
    return await _ungranted(subject, error, "none offered, none granted")


@rule(
    "extension-unknown",
    "conformance",
    section="RFC 6455, 9.1",
    schedule="after",
    why="Unknown extensions are to be ignored, or no new one could ever be introduced.",
)
async def extension_unknown(subject: CheckTarget) -> Finding:
    """An extension that nobody knows is ignored."""
    # what the first connection offered stays in the offer: some servers insist on compression
    usual = get_all(list(subject.report.request_headers), "Sec-WebSocket-Extensions")
    offer = ", ".join([f"{UNKNOWN_EXTENSION}; level=1", *usual])
    error = await _ask(subject, ("Sec-WebSocket-Extensions", offer))
    if error is None or _unanswered(error) or error.report.status == 101:
        return await _ungranted(subject, error, f"{UNKNOWN_EXTENSION} offered, ignored")
    # 9.1 lets a server choose, and commands nobody to accept a handshake
    said = f"the offer of {UNKNOWN_EXTENSION} was refused, not ignored: {_refusal(error)}"
    return await _over_it(subject, error, warned(said, error.report.status))


async def _ungranted(subject: CheckTarget, error: DialError | None, good: str) -> Finding:
    if error is None:
        return passed(good)
    if error.code in ("extension-not-offered", "extension-invalid"):
        return failed(error.message)
    if _unanswered(error) or error.report.status == 101:
        return interrupted_by(error)
    refused = passed(f"refused without any: {_refusal(error)}", error.report.status)
    return await _over_it(subject, error, refused)


@rule(
    "origin",
    "conformance",
    section="RFC 6455, 10.2",
    schedule="after",
    worst="pass",
    why="If sessions rest on cookies, any web page can open a connection as its visitor.",
)
async def origin(subject: CheckTarget) -> Finding:
    """What a foreign Origin gets: noted, for only the owner knows what is right."""
    error = await _ask(subject, origin=FOREIGN_ORIGIN)
    if error is None:
        return passed(
            f"Origin: {FOREIGN_ORIGIN} is accepted (fine unless cookies identify users)", "accepted"
        )
    if _unanswered(error) or error.report.status == 101:
        return interrupted_by(error)
    refused = passed(f"Origin: {FOREIGN_ORIGIN} is refused: {_refusal(error)}", "refused")
    return await _over_it(subject, error, refused)


HANDSHAKES: tuple[Rule, ...] = (
    accept_key,
    upgrade_headers,
    connection_tokens,
    version,
    _key_rule("key-missing", "", "a request without Sec-WebSocket-Key", "fail"),
    _key_rule(
        "key-invalid",
        "c2hvcnQ=",
        "a Sec-WebSocket-Key of five bytes",
        "warn",
        "; a server need not decode it (4.2.2)",
    ),
    subprotocol_unasked,
    subprotocol_unknown,
    extension_unasked,
    extension_unknown,
    origin,
)
