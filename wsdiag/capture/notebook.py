"""What the readers of one conversation share: its flow, its ends, and the facts they write down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsdiag.capture.flow import Flow, address_of
from wsdiag.capture.http import HeadReader, split_target
from wsdiag.capture.open_pings import A_PING, OpenPings
from wsdiag.judgement.recorded.facts import ConnectionFacts, DirectionFacts, PingSeen, Side

if TYPE_CHECKING:
    from wsdiag.capture.frames import FrameReader
    from wsdiag.capture.tracing import Tracing
    from wsdiag.protocol.deflate import PerMessageDeflate

_MOST_NOTES = 16
_PORTS = (1024, 32768)
"""Where ports begin that need no privilege, and those that Linux and others give to clients."""
_BY_PROXIES = frozenset(
    ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
)
_MOST_OPEN_PINGS = 4
_MOST_WORDS = 400
_INFLATING, _A_HEADER, _AN_EVENT = 48 << 10, 200, 150
"""About how many bytes they take: zlib's window and state, a header and an event beside their
text."""


class Direction:
    """What reading one direction takes."""

    def __init__(self, facts: DirectionFacts) -> None:
        self.facts = facts
        self.heads: HeadReader | None = None
        self.frames: FrameReader | None = None
        self.inflate: PerMessageDeflate | None = None
        self.pings = OpenPings()
        self.unknown = b""
        self.last_ns: int | None = None
        self.compressed = False
        self.before_ns: int | None = None
        """`last_ns` before the bytes that are being read."""
        self.longest_ns = 0
        """The longest time between two bytes."""
        self.last_text = b""
        """The beginning of its last text message."""

    def held(self) -> int:
        """About how many bytes of memory reading it takes."""
        total = len(self.unknown) + len(self.pings) * A_PING
        total += 0 if self.heads is None else len(self.heads.held)
        total += 0 if self.frames is None else self.frames.held()
        return total + (0 if self.inflate is None else _INFLATING)

    def sized(self, length: int) -> None:
        """One more data frame of that many bytes."""
        facts = self.facts
        facts.earlier_largest_frame, facts.last_frame = facts.largest_frame, length
        if length > facts.largest_frame:
            facts.largest_frame = length


class Notebook:
    """One conversation's facts, and who is who in them. Ends are numbered as the flow does it;
    `client` is the number of the WebSocket's client, once the bytes told."""

    __slots__ = ("began_ns", "client", "facts", "flow", "sides", "tracing")

    def __init__(self, flow: Flow, source: str, began_ns: int) -> None:
        self.flow, self.began_ns = flow, began_ns
        self.client: int | None = None
        self.facts = ConnectionFacts(source)
        self.facts.began = began_ns / 1e9
        self.sides = (Direction(DirectionFacts()), Direction(DirectionFacts()))
        self.tracing: Tracing | None = None

    def is_client(self, number: int) -> None:
        """An end turned out to be the client."""
        self.client = number
        if self.tracing is not None:
            self.tracing.client = number

    def side(self, number: int) -> Side:
        """Which end a number is."""
        return "client" if number == (self._likely_client() or 0) else "server"

    def _likely_client(self) -> int | None:
        """Where the bytes do not tell: who opened TCP, or has the port that is no service's."""
        told = (self.client, self.flow.opener, self._by_ports())
        return next((number for number in told if number is not None), None)

    def _by_ports(self) -> int | None:
        one, other = (sum(port >= first for first in _PORTS) for _, port in self.flow.ends)
        return None if one == other else int(one < other)

    def since(self, time_ns: int) -> float:
        """Seconds since the conversation began."""
        return (time_ns - self.began_ns) / 1e9

    def note(self, text: str) -> None:
        """Something to tell beside the facts, once."""
        notes = self.facts.notes
        if text not in notes and len(notes) < _MOST_NOTES:
            notes.append(text)

    def read_request(self, path: str, headers: list[tuple[str, str]]) -> None:
        """The request for the upgrade."""
        facts = self.facts
        target = split_target(path)
        facts.path, facts.request_headers = target.path, headers
        host = next((v for n, v in headers if n.lower() == "host"), None)
        facts.host = target.authority or host
        facts.forwarded = next((n for n, _ in headers if n.lower() in _BY_PROXIES), None)

    def held(self) -> int:
        """About how many bytes of memory the facts, and reading on, take."""
        facts = self.facts
        total = len(facts.activity) * _AN_EVENT + sum(len(text) for _, _, text in facts.shown)
        total += header_bytes(facts.request_headers) + header_bytes(facts.response_headers)
        return total + sum(side.held() for side in self.sides)

    def finish(self) -> None:
        """Everything that was counted of the flow and its directions, into the facts."""
        facts, likely = self.facts, self._likely_client()
        facts.roles_known, client = likely is not None, likely or 0
        facts.client_address = address_of(self.flow.ends[client])
        facts.server_address = address_of(self.flow.ends[1 - client])
        facts.sent, facts.received = self.sides[client].facts, self.sides[1 - client].facts
        for number in (0, 1):
            self._finish(number)

    def _finish(self, number: int) -> None:
        side, state = self.sides[number], self.flow.states[number]
        facts, who = side.facts, self.side(number)
        facts.tcp_bytes, facts.segments = state.bytes, state.segments
        facts.longest_idle_s = side.longest_ns / 1e9
        if side.last_text:
            facts.last_message = words_of(side.last_text)
        facts.retransmits, facts.lost_bytes = state.retransmits, state.lost_bytes
        facts.zero_windows, facts.keepalive_probes = state.zero_windows, state.keepalive_probes
        facts.hop_limits, facts.window_closed = state.hop_limits, state.window_closed
        if state.probed_at == self.flow.states[1 - number].segments:
            facts.probes_unanswered = state.probes_open
            facts.probing_since_s = self.since(state.probing_since_ns or 0)
        facts.heard_s = self._since(state.heard_ns)
        facts.first_byte_s = self._since(state.first_ns)
        facts.last_byte_s = self._since(side.last_ns)
        facts.syn_s = self._since(state.syn_ns)
        facts.unacknowledged_s = self._since(state.resent_since_ns)
        facts.reached, facts.first_seq = state.reached, state.first_seq
        facts.marks = [(offset, time_ns / 1e9) for offset, time_ns in state.marks]
        if side.frames is not None:
            facts.missed = side.frames.missed
            if side.frames.unfinished:
                side.sized(side.frames.unfinished)
                facts.unfinished = True
        self.facts.unanswered[who] = side.pings.unanswered
        if self.facts.ended_s is None:
            self.keep_open_pings(number)

    def keep_open_pings(self, number: int) -> None:
        """The Pings of an end that had no answer when the connection ended: now."""
        if self.sides[1 - number].facts.pongs is None:
            return  # what answers could not be read
        who, waiting = self.side(number), self.sides[number].pings.oldest(_MOST_OPEN_PINGS)
        self.facts.open_pings += [PingSeen(who, at_s) for at_s in waiting]

    def _since(self, time_ns: int | None) -> float | None:
        return None if time_ns is None else self.since(time_ns)


def header_bytes(headers: Iterable[tuple[str, str]]) -> int:
    """About how many bytes of memory headers take."""
    return sum(len(name) + len(value) + _A_HEADER for name, value in headers)


def words_of(text: bytes) -> str:
    """The beginning of a text message, for those who look for words in it."""
    return text.decode("utf-8", "replace")[:_MOST_WORDS]
