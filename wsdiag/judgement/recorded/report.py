"""One recorded connection's facts and ending as the record that is printed.

URLs are pieced together from what was recorded, and what may be a credential in them is masked
here: values of a query, and parts of a path that look like tokens. The query is left out of the
name of an endpoint, so that connections that differ by a session's number belong together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Literal

from wsdiag.credentials import MASK, mask_subprotocols
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ANSWER, ConnectionFacts, DirectionFacts, Side
from wsdiag.judgement.recorded.trials import drop_of
from wsdiag.records import HttpInfo
from wsdiag.records.explain import Counts, ExplainConnection, RoundTrips

Direction = Literal["sent", "received"]
_DIRECTION: dict[Side, Direction] = {"client": "sent", "server": "received"}
MOST_ACTIVITY = 200
_QUERY_VALUE = re.compile(r"=[^&]*")
_RUN = re.compile(r"[A-Za-z0-9._~%+=-]{20,}+")
_DIGIT = re.compile(r"[0-9]")


def recorded_url(facts: ConnectionFacts, *, show_secrets: bool = False) -> str:
    """The endpoint as far as it was recorded: `ws://host:port/path?key=***`."""
    return _base(facts, show_secrets) + _query(facts, show_secrets)


def endpoint_of(facts: ConnectionFacts) -> str:
    """The URL without its query: what connections have in common."""
    return _base(facts, False)


def connection_record(
    facts: ConnectionFacts, number: int, ending: Ending, *, show_secrets: bool = False
) -> ExplainConnection:
    """Everything that is printed of one connection."""
    sent, received = facts.sent, facts.received
    end_s = facts.ended_s if facts.ended_s is not None else facts.recorded_s
    opened_s = facts.opened_s or 0.0
    headers = [(name, _header(name, value, show_secrets)) for name, value in facts.response_headers]
    http = None
    if facts.status is not None:
        version = facts.version or "1.1"
        http = HttpInfo(facts.status, facts.reason or "", headers, version=version)
    readable = facts.sent.messages is not None
    return ExplainConnection(
        url=recorded_url(facts, show_secrets=show_secrets),
        source=facts.source,
        number=number,
        outcome=ending.outcome,
        ended_by=ending.ended_by,
        client=facts.client_address,
        server=facts.server_address,
        time=None if facts.began is None else _rfc3339(facts.began),
        http=http,
        subprotocol=_subprotocol(facts.subprotocol, show_secrets),
        extensions=tuple(facts.extensions),
        age_s=None if end_s is None else max(end_s - opened_s, 0.0),
        idle_s=facts.idle_s,
        since_sent_s=_since(end_s, sent.last_byte_s, opened_s, readable),
        since_received_s=_since(end_s, received.last_byte_s, opened_s, readable),
        longest_idle_s=facts.longest_idle_s,
        messages=Counts(sent.messages, received.messages),
        bytes=Counts(sent.bytes, received.bytes),
        pings=Counts(sent.pings, received.pings),
        unanswered_pings=Counts(
            _unanswered(facts, "client", sent, received),
            _unanswered(facts, "server", received, sent),
        ),
        round_trips=_round_trips(facts.rtts_ms),
        retransmits=Counts(*_tcp(facts, sent.retransmits, received.retransmits)),
        zero_windows=Counts(*_tcp(facts, sent.zero_windows, received.zero_windows)),
        lost_bytes=Counts(*_tcp(facts, sent.lost_bytes, received.lost_bytes)),
        drop=drop_of(facts),
        violations=tuple(facts.violations),
        encrypted=facts.encrypted,
        joined=facts.joined,
        evidence=tuple(ending.evidence),
        notes=tuple(facts.notes),
        opened_s=facts.opened_s,
        activity=_activity(facts, opened_s),
        shown=tuple(
            (round(at_s - opened_s, 3), _DIRECTION[who], text) for at_s, who, text in facts.shown
        )
        or None,
    )


def _base(facts: ConnectionFacts, show_secrets: bool) -> str:
    host = facts.host or facts.tls.get("sni") or facts.server_address or ""
    path = (facts.path or "").partition("?")[0]
    if not show_secrets:
        path = _RUN.sub(lambda run: MASK if _DIGIT.search(run[0]) else run[0], path)
    return f"{facts.scheme or 'ws'}://{host}{path}"


def _query(facts: ConnectionFacts, show_secrets: bool) -> str:
    query = (facts.path or "").partition("?")[2]
    if not query:
        return ""
    if show_secrets:
        return "?" + query
    named = _QUERY_VALUE.sub("=" + MASK, query)
    return "?" + "&".join(part if "=" in part else MASK for part in named.split("&"))


def _header(name: str, value: str, show_secrets: bool) -> str:
    if name.lower() == "sec-websocket-protocol":
        return _subprotocol(value, show_secrets) or ""
    return value


def _subprotocol(name: str | None, show_secrets: bool) -> str | None:
    """Subprotocols without those that are tokens."""
    if name is None or show_secrets:
        return name
    return ", ".join(mask_subprotocols([part.strip() for part in name.split(",")]))


def _since(
    end_s: float | None, last_s: float | None, opened_s: float, readable: bool
) -> float | None:
    if end_s is None:
        return None
    if last_s is None:  # it never sent a byte after the opening handshake
        return max(end_s - opened_s, 0.0) if readable else None
    return max(end_s - last_s, 0.0)


def _tcp(facts: ConnectionFacts, sent: int, received: int) -> tuple[int | None, int | None]:
    """Only packets show these."""
    seen = facts.sent.segments or facts.received.segments
    return (sent, received) if seen else (None, None)


def _unanswered(
    facts: ConnectionFacts, who: Side, own: DirectionFacts, other: DirectionFacts
) -> int | None:
    """None: its Pings, or what answers them, could not be read."""
    return None if own.pings is None or other.pongs is None else facts.unanswered.get(who, 0)


def _round_trips(rtts_ms: Sequence[float]) -> RoundTrips | None:
    if not rtts_ms:
        return None
    return RoundTrips(len(rtts_ms), median(rtts_ms), max(rtts_ms))


def _activity(facts: ConnectionFacts, opened_s: float) -> tuple[tuple[float, Direction, str], ...]:
    step = -(-len(facts.activity) // MOST_ACTIVITY) or 1
    chosen = [each for n, each in enumerate(facts.activity) if n % step == 0 or each[2] == "close"]
    return tuple(
        (round(at_s - opened_s, 3), _DIRECTION[who], "pong" if what == ANSWER else what)
        for at_s, who, what in chosen
    )


def _rfc3339(moment: float) -> str | None:
    try:
        at = datetime.fromtimestamp(moment, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
