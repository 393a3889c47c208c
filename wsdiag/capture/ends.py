"""How long a conversation carried nothing, and what ended it.

Idleness is counted from byte to byte, in each direction and in both together, up to the first sign
of the end: a Close frame, a TLS alert, a FIN, a RST. What says that the end comes is no traffic, so
it does not end the idleness before it. Where TLS stays dark, a few bytes right before FIN or RST
are taken for that.
"""

from __future__ import annotations

from typing import NamedTuple

from wsdiag.capture.notebook import Notebook
from wsdiag.judgement.recorded.facts import EndKind, TcpEnd, TlsAlert

WAKE_NS = 1_000_000_000
"""Idleness after which a connection may be dead without anybody knowing."""
_BURST_NS = 200_000_000
_LAST_WORD = 160
"""Bytes of TLS records: a Close frame or a close_notify and its answer are no more."""
_AT_ONCE_NS = 1_000_000_000
_MOST_ENDS = 8


class _Burst:
    """What crossed a TLS flow lately without a pause, and what was known before it."""

    def __init__(self, number: int, time_ns: int, idle_ns: int, longest_s: float | None) -> None:
        self.number, self.time_ns, self.idle_ns = number, time_ns, idle_ns
        self.longest_s = longest_s
        self.size = self.first_size = 0
        self.before_ns: int | None = None


class _Wake(NamedTuple):
    """Bytes after some idleness: whose, when, after how long, and how many packets the other end
    had sent by then; and the longest idleness before that, in seconds."""

    number: int
    time_ns: int
    idle_ns: int
    heard: int
    longest_s: float | None


class Ends:
    """The idleness and the ends of one conversation, into its facts."""

    def __init__(self, book: Notebook) -> None:
        self._book = book
        self.last_ns = book.began_ns
        """When the last byte came, from either end."""
        self.idle_before_ns = 0
        """How long nothing had come before the bytes that are being read."""
        self.longest_ns = -1
        self._wake: _Wake | None = None
        self._burst: _Burst | None = None
        self._records: list[tuple[int, int] | None] = [None, None]
        """When each end last sent bytes of TLS, and how many."""

    def idled(self, number: int, time_ns: int, before_ns: int | None, idle_ns: int) -> None:
        """An end sent something: how long it, and both, had sent nothing."""
        book, facts = self._book, self._book.facts
        side = book.sides[number]
        if facts.ended_s is not None:
            return
        if before_ns is not None and time_ns - before_ns > side.longest_ns:
            side.longest_ns = time_ns - before_ns
        if idle_ns > WAKE_NS:
            heard = book.flow.states[1 - number].segments
            self._wake = _Wake(number, time_ns, idle_ns, heard, facts.longest_idle_s)
        if idle_ns > self.longest_ns:
            self.longest_ns = idle_ns
            facts.longest_idle_s = idle_ns / 1e9

    def sealed(self, number: int, time_ns: int, size: int, idle_ns: int) -> None:
        """Bytes of TLS, which may turn out to be the last."""
        facts, burst = self._book.facts, self._burst
        if facts.ended_s is not None:
            return
        if burst is None or idle_ns > _BURST_NS:
            burst = self._burst = _Burst(number, time_ns, idle_ns, facts.longest_idle_s)
            burst.before_ns = self._book.sides[number].before_ns
        self._records[number] = (time_ns, size)
        burst.size += size
        burst.first_size = burst.first_size or size

    def alerted(self, number: int, time_ns: int) -> bool:
        """A TLS alert; whether it is the first sign of the end."""
        first = self._book.facts.ended_s is None
        burst = self._burst
        if first and burst is not None and burst.number != number:
            self._last_word(number, time_ns)
        self.said_goodbye(number)
        self.ended(time_ns)
        return first

    def said_goodbye(self, number: int) -> None:
        """The bytes that are being read say that the end comes: they are no traffic."""
        side = self._book.sides[number]
        if self._book.facts.ended_s is None and self.idle_before_ns:
            side.last_ns = side.before_ns

    def ended(self, time_ns: int) -> None:
        """The first sign of the end: idleness is counted up to here."""
        facts = self._book.facts
        if facts.ended_s is not None:
            return
        facts.ended_s = self._book.since(time_ns)
        facts.idle_s = self.idle_before_ns / 1e9
        for number, side in enumerate(self._book.sides):
            side.facts.missed_at_end = side.frames is not None and side.frames.missed
            self._book.keep_open_pings(number)

    def closed(
        self,
        kind: EndKind,
        number: int,
        time_ns: int,
        hop_limit: int | None,
        code: tuple[int, str] | None = None,
    ) -> None:
        """TCP, or a stream of HTTP/2, ended. `code`: HTTP/2's error code and its name."""
        book, facts = self._book, self._book.facts
        if facts.ended_s is None:
            self.idle_before_ns = time_ns - self.last_ns
            self._last_word(number, time_ns)
            bare = kind == "rst" and not book.flow.reset_acks  # RFC 9293, 3.5.2: no socket there
            if bare and book.side(number) == "server":
                self.found_dead()
                if facts.dead_after_s is not None:
                    facts.prompted = None
        self.ended(time_ns)
        if len(facts.ends) < _MOST_ENDS:
            at_s = book.since(time_ns)
            facts.ends.append(TcpEnd(kind, book.side(number), at_s, hop_limit, *(code or ())))

    def survived(self, time_ns: int) -> None:
        """What a RST seemed to end went on."""
        book, facts = self._book, self._book.facts
        resets = [end for end in facts.ends if end.kind == "rst"]
        facts.ends = [end for end in facts.ends if end.kind != "rst"]
        for reset in resets:
            limit = f" (hop limit {reset.hop_limit})" if reset.hop_limit is not None else ""
            book.note(
                f"a RST from the {reset.by}'s side at {reset.at_s:.3f} s{limit} was ignored: bytes "
                "were sent and acknowledged after it"
            )
        if not resets or facts.ends or facts.closes or facts.alerts:
            return
        facts.ended_s = facts.idle_s = facts.dead_after_s = facts.asked_s = None
        facts.prompted, facts.open_pings = None, []
        self.last_ns = time_ns
        for side in book.sides:
            side.last_ns = time_ns if side.last_ns is not None else None

    def found_dead(self) -> None:
        """The client's last bytes after some idleness got no answer: it was dead before them."""
        wake, book, facts = self._wake, self._book, self._book.facts
        if wake is None or book.side(wake.number) != "client":
            return
        state, peer = book.flow.states[wake.number], book.flow.states[1 - wake.number]
        if peer.segments == wake.heard and peer.acknowledged != state.position:
            facts.dead_after_s, facts.asked_s = wake.idle_ns / 1e9, book.since(wake.time_ns)
            facts.longest_idle_s = wake.longest_s

    def _last_word(self, number: int, time_ns: int) -> None:
        """Whether a few bytes of dark TLS right before the end belong to it, or it answers them."""
        burst, book, facts = self._burst, self._book, self._book.facts
        if burst is None or not facts.encrypted:
            return
        heard = self._records[1 - number]
        if heard is not None and time_ns - heard[0] <= _AT_ONCE_NS:
            took = (time_ns - heard[0]) / 1e6
            facts.prompted = f"{heard[1]} bytes of TLS {took:.0f} ms before"
        if (
            burst.number != number
            or burst.size > _LAST_WORD
            or time_ns - burst.time_ns > _AT_ONCE_NS
        ):
            return
        self.idle_before_ns = burst.idle_ns
        facts.longest_idle_s = burst.longest_s
        book.sides[burst.number].last_ns = burst.before_ns
        facts.ended_s = book.since(burst.time_ns)
        facts.idle_s = burst.idle_ns / 1e9
        facts.alerts.append(TlsAlert(book.side(burst.number), facts.ended_s, "encrypted"))
        book.note(
            f"the last {burst.size} bytes, right before the end, were taken for a Close frame or "
            "a TLS alert"
        )
