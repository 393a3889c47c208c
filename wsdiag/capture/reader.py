"""A capture, packet by packet, to the facts of each connection in it, as they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from wsdiag.capture.conversation import Conversation
from wsdiag.capture.exchange import Stage, StreamExchange
from wsdiag.capture.flow import Flow
from wsdiag.capture.flows import FlowTable
from wsdiag.capture.messages import MOST_ACTIVITY
from wsdiag.capture.packet_files import CaptureError, PacketFile
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.packets.encapsulation import ESP, UDP, inner_ip
from wsdiag.packets.link import NAMES, ip_offset
from wsdiag.packets.segment import Segment, parse_segment
from wsdiag.units import counted

if TYPE_CHECKING:
    from wsdiag.capture.tls.key_log import KeyLog
    from wsdiag.transport.trace import Tracer

_LINGER_NS = 2_000_000_000
"""A flow that is over stays this long, for the RST that answers its last bytes."""
MOST_HELD = 80 << 20
"""Bytes that all flows may hold together; beyond that, those that hold the most are given up."""
_WEIGH_EVERY, _EACH = 4 << 20, 2048
"""After how many bytes of payload that is looked at; what a packet counts for besides."""
_MOST_TUNNELS = 4
_FRAGMENTS = "IP fragment was not put together", "IP fragments were not put together"
_BYTELESS = (
    "connection was not read: the capture lacks its bytes (snapshot length, or lost packets)",
    "connections were not read: the capture lacks their bytes (snapshot length, or lost packets)",
)
_ESP = "packet of IPsec (ESP) was not read", "packets of IPsec (ESP) were not read"
_QUIC = (
    "packet of UDP on port 443 was not read: QUIC, and so HTTP/3",
    "packets of UDP on port 443 were not read: QUIC, and so HTTP/3",
)
_MANY = 500
"""Connections open at once from which on less is kept of each for its timeline."""


class CaptureReader:
    """One capture file. Iterate for the facts of its connections; `totals` counts the rest."""

    def __init__(
        self,
        stream: BinaryIO,
        source: str,
        *,
        show: bool = False,
        key_log: KeyLog | None = None,
        live: bool = False,
        tracer: Tracer | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.totals = CaptureTotals()
        self.file = PacketFile(stream, self._take_secrets)
        self._source, self._show, self._key_log = source, show, key_log
        self._live, self._tracer, self._stopped = live, tracer, stopped
        self._done: list[ConnectionFacts] = []
        self._conversations: dict[int, Conversation] = {}
        self._last_ns = 0
        self._passed: Counter[tuple[str, str]] = Counter()
        """What is not read, in words, and how many packets of it there were."""

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """Facts as connections end, then those that were open; never an exception for bad input."""
        table = FlowTable(self._began, self._over, linger=not self._live)
        totals, segment = self.totals, table.segment
        unknown: Counter[int] = Counter()
        unweighed = 0
        try:
            for time_ns, link_type, data, _ in self.file:
                totals.packets += 1
                self._last_ns = time_ns
                at = ip_offset(link_type, data)
                if at is None:
                    if link_type not in NAMES:
                        unknown[link_type] += 1
                    continue
                found = parse_segment(data, at)
                if found.__class__ is not Segment:
                    found = self._within(data, at, found)
                    if found.__class__ is not Segment:
                        continue
                ends, seq, ack, flags, window, hop_limit, start, stop, identity = found
                size = stop - start if stop > start else 0
                payload = data[start:stop] if size else b""
                segment(time_ns, ends, seq, ack, flags, window, hop_limit, payload, size, identity)
                unweighed += size + _EACH
                if unweighed > _WEIGH_EVERY:
                    unweighed = 0
                    table.expire(time_ns - _LINGER_NS)
                    table.lighten(MOST_HELD)
                if self._done:
                    yield from self._taken()
        except CaptureError as error:
            totals.broken = error
        table.finish()
        for link_type, count in unknown.items():
            totals.notes.append(f"{count:,} packets of link type {link_type} were not read")
        totals.notes += [counted(count, *what) for what, count in self._passed.items()]
        if table.given_up:
            totals.notes.append(
                f"{table.given_up:,} connections were given up, as too many were open at once, or "
                "held too many bytes"
            )
        yield from self._taken()

    def _within(self, data: bytes, at: int, found: Segment | int | None) -> Segment | int | None:
        """The segment in a tunnel's packet, and in tunnels in it; what else it is, is counted."""
        for _ in range(_MOST_TUNNELS):
            within = inner_ip(data, at)
            if within is None:
                break
            at, found = within, parse_segment(data, within)
            if found.__class__ is Segment:
                self.totals.tunnelled += 1
                return found
        if found == 0:
            self._passed[_FRAGMENTS] += 1
        elif found == ESP:
            self._passed[_ESP] += 1
        elif found == UDP and b"\x01\xbb" in (data[at + 20 : at + 22], data[at + 22 : at + 24]):
            self._passed[_QUIC] += 1
        return found

    def _taken(self) -> list[ConnectionFacts]:
        done, self._done = self._done, []
        return done

    def _take_secrets(self, text: bytes) -> None:
        from wsdiag.capture.tls.key_log import KeyLog

        if self._key_log is None:
            self._key_log = KeyLog()
        self._key_log.add(text)

    def _began(self, flow: Flow) -> None:
        self.totals.flows += 1
        few = len(self._conversations) < _MANY
        conversation = Conversation(
            flow,
            self._source,
            show=self._show,
            key_log=self._key_log,
            tracer=self._tracer,
            most_activity=MOST_ACTIVITY if few else MOST_ACTIVITY // 8,
            on_stream_over=self._stream_over,
            stopped=self._stopped,
        )
        flow.listener = conversation
        self._conversations[id(flow)] = conversation

    def _over(self, flow: Flow) -> None:
        conversation = self._conversations.pop(id(flow))
        totals = self.totals
        until_ns = flow.last_ns if flow.over else max(self._last_ns, flow.last_ns)
        for stream in conversation.streams:
            self._stream_over(stream, until_ns)
        if conversation.unread is not None and conversation.unread not in totals.notes:
            totals.notes.append(conversation.unread)
        if conversation.listed:
            self._done.append(conversation.finish(until_ns))
        elif conversation.refused is not None:
            totals.refused += 1
        elif conversation.stage is Stage.HTTP or conversation.stage is Stage.HTTP2:
            totals.plain_http += not conversation.had_streams
        else:
            totals.other += 1
            if conversation.stage is Stage.UNKNOWN and any(s.lost_bytes for s in flow.states):
                self._passed[_BYTELESS] += 1

    def _stream_over(self, stream: StreamExchange, until_ns: int) -> None:
        """A WebSocket over HTTP/2 has ended."""
        if stream.listed:
            self._done.append(stream.finish(until_ns))
        self.totals.refused += stream.refused is not None
