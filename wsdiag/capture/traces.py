"""wsdiag's own traces (`--trace FILE`) to the facts of the connections in them.

A trace has every frame, control frames included, and no TCP: an end without a Close frame does not
show in it. It tells connections by URL alone. Those to one URL follow one another (`ping
--reconnect`); where one begins before another has opened (`idle-probe`), their frames cannot be
told apart, and they are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from wsdiag.capture.http import Head, split_target
from wsdiag.capture.messages import MOST_ACTIVITY, MOST_RTTS, MOST_SHOWN, shown_text
from wsdiag.capture.open_pings import OpenPings
from wsdiag.capture.own_records import parse_record, read_objects
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.facts import ANSWER, CloseSeen, ConnectionFacts, PingSeen, Side
from wsdiag.transport.trace import FrameTraced, HeadersTraced, PhaseTraced, TraceEvent

_LAST_WORDS = 400
_MOST_URLS = 4096
_NAMES = {0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong"}
_NO_TCP = "a trace has no TCP: an end without a Close frame does not show"
_TOLD_APART = "connections to it were open at once, and their frames cannot be told apart"


class TraceReader:
    """One `--trace` file. Iterate for the facts of its connections; `totals` counts the rest.

    `show`: keep the first messages' payloads, as far as the trace has them.
    """

    def __init__(self, stream: BinaryIO, source: str, *, show: bool = False) -> None:
        self.totals = CaptureTotals()
        self._stream, self._source, self._show = stream, source, show

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """Facts as connections are followed by another one, then the rest."""
        totals = self.totals
        connections: dict[tuple[int | None, str], _Traced] = {}
        for value in read_objects(self._stream, totals):
            event = parse_record(value, totals)
            if not isinstance(event, TraceEvent):
                totals.other += event is not None
                continue
            key = event.target, event.url
            traced = connections.get(key)
            if traced is not None and traced.is_followed_by(event):
                yield from traced.finish(totals)
                traced = None
            if traced is None:
                if len(connections) >= _MOST_URLS:
                    yield from connections.pop(next(iter(connections))).finish(totals)
                took_s = event.took_ms / 1e3 if isinstance(event, PhaseTraced) else 0.0
                began = event.time.timestamp() - took_s
                traced = connections[key] = _Traced(self._source, event.url, began, self._show)
            traced.take(event)
        for traced in connections.values():
            yield from traced.finish(totals)


@dataclass(slots=True)
class _Traced:
    """One connection of a trace, as far as it was read."""

    source: str
    url: str
    began: float
    show: bool
    facts: ConnectionFacts = field(init=False)
    asked: int = 0
    """How many upgrades were asked for: more than one where connections overlap."""
    accepts: str = "101"
    """The status that grants what was asked for."""
    answered: int = 0
    last_s: float | None = None
    """When the last frame crossed, in either direction."""
    end_s: float = 0.0
    pings: dict[Side, OpenPings] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts = ConnectionFacts(self.source, began=self.began)
        self.facts.notes.append(_NO_TCP)
        self.facts.ends_shown = False
        self.pings = {"client": OpenPings(), "server": OpenPings()}
        scheme, _, rest = self.url.partition("://")
        if scheme in ("ws", "wss"):
            self.facts.scheme = "wss" if scheme == "wss" else "ws"
            self.facts.host = rest.partition("/")[0].partition("?")[0].rpartition("@")[2]
        for side in (self.facts.sent, self.facts.received):
            side.bytes = side.messages = side.pings = side.pongs = 0

    def is_followed_by(self, event: TraceEvent) -> bool:
        """Whether an event belongs to another connection: one begins when this one has opened."""
        begins = isinstance(event, PhaseTraced) and event.phase in ("dns", "tcp")
        return begins and self.answered == self.asked > 0

    def take(self, event: TraceEvent) -> None:
        """One event."""
        at_s = max(event.time.timestamp() - self.began, 0.0)
        self.end_s = max(self.end_s, at_s)
        if isinstance(event, PhaseTraced):
            if event.phase == "tcp" and event.ok:
                self.facts.server_address = event.detail[:64]
        elif isinstance(event, HeadersTraced):
            self._headers(event, at_s)
        elif self.asked == 1 and self.facts.opened_s is not None and event.length >= 0:
            self._frame(event, at_s)

    def finish(self, totals: CaptureTotals) -> Iterator[ConnectionFacts]:
        """Its facts, if it opened."""
        facts = self.facts
        if facts.opened_s is None:
            totals.refused += self.answered > 0
            totals.other += not self.answered
            return
        facts.recorded_s = self.end_s
        if self.asked > 1:
            totals.notes.append(f"{self.url}: {_TOLD_APART}")
            totals.other += self.asked
            return
        for who, pings in self.pings.items():
            if pings.unanswered:
                facts.unanswered[who] = pings.unanswered
                facts.open_pings += [PingSeen(who, at_s) for at_s in pings.oldest(8)]
        yield facts

    def _headers(self, event: HeadersTraced, at_s: float) -> None:
        facts, headers = self.facts, list(event.headers)
        first = [*event.first_line.split(" ", 2), "", ""]
        if event.direction == "sent":
            upgrade = any(name.lower() == "upgrade" for name, _ in headers)
            # RFC 8441, 4; the CONNECT of a tunnel has a host and a port in place of a path
            extended = first[0] == "CONNECT" and first[1].startswith("/")
            self.asked += upgrade or extended
            self.accepts = "200" if extended else "101"
            facts.path, facts.request_headers = split_target(first[1]).path, headers
            return
        self.answered += self.asked > self.answered
        if not first[0].startswith("HTTP/") or first[1] != self.accepts:
            return
        head = Head((first[0], first[1], first[2]), headers)
        facts.version, facts.status, facts.reason = first[0][5:], int(first[1]), first[2]
        facts.response_headers = headers
        facts.subprotocol, facts.extensions = head.subprotocol(), head.extensions()
        facts.opened_s = at_s

    def _frame(self, event: FrameTraced, at_s: float) -> None:
        facts, opcode = self.facts, event.opcode
        who: Side = "client" if event.direction == "sent" else "server"
        side = facts.sent if who == "client" else facts.received
        what = _NAMES.get(opcode, "reserved")
        if opcode > 8 and self._control(who, opcode, event.excerpt, at_s):
            what = ANSWER
        if len(facts.activity) < MOST_ACTIVITY:
            facts.activity.append((at_s, who, what))
        if opcode == 8 and not facts.closes:
            facts.ended_s = at_s
            facts.idle_s = at_s - (facts.opened_s or 0.0 if self.last_s is None else self.last_s)
        if facts.ended_s is None:
            self._crossed(who, at_s)
        assert side.bytes is not None
        assert side.messages is not None
        if opcode < 8:
            side.bytes += event.length
            side.messages += opcode != 0
            side.largest_frame = max(side.largest_frame, event.length)
            told = event.excerpt or not event.length  # `explain --trace` leaves payloads out
            if self.show and told and not any(event.rsv) and len(facts.shown) < MOST_SHOWN:
                facts.shown.append((at_s, who, shown_text(event.excerpt)))
            if opcode == 1 and not any(event.rsv):
                side.last_message = event.excerpt.decode("utf-8", "replace")[:_LAST_WORDS]
                if side.first_message is None:
                    side.first_message = side.last_message
        elif opcode == 8:
            data = event.excerpt
            code = int.from_bytes(data[:2], "big") if len(data) >= 2 else None
            close = CloseSeen(who, at_s, code, data[2:].decode("utf-8", "backslashreplace"))
            facts.closed(close)

    def _crossed(self, who: Side, at_s: float) -> None:
        """A byte in one direction: the idleness before it was outlived."""
        facts = self.facts
        side = facts.sent if who == "client" else facts.received
        since = facts.opened_s or 0.0
        idle_s = at_s - (since if self.last_s is None else self.last_s)
        facts.longest_idle_s = max(facts.longest_idle_s or 0.0, idle_s)
        quiet_s = at_s - (since if side.last_byte_s is None else side.last_byte_s)
        side.longest_idle_s = max(side.longest_idle_s, quiet_s)
        if side.first_byte_s is None:
            side.first_byte_s = at_s
        side.last_byte_s = self.last_s = at_s

    def _control(self, who: Side, opcode: int, excerpt: bytes, at_s: float) -> bool:
        """A Ping or a Pong; whether it answers a Ping."""
        facts = self.facts
        side = facts.sent if who == "client" else facts.received
        if opcode == 9:
            assert side.pings is not None
            side.pings += 1
            self.pings[who].add(excerpt, at_s)
        elif opcode == 10:
            assert side.pongs is not None
            side.pongs += 1
            sent_s = self.pings["server" if who == "client" else "client"].answer(excerpt)
            if sent_s is not None and len(facts.rtts_ms) < MOST_RTTS:
                facts.rtts_ms.append((at_s - sent_s) * 1e3)
            return sent_s is not None
        return False
