"""A client's part in the application protocol over a connection: its hello, and its heartbeats.

How it works. Every probe opens its connections by `open_session`, and has one `Participant` for
each. The hello (`--hello`, or the dialect's own with `--dialect NAME`) leaves right after the
opening, before anything else, and its answer is awaited: a refusal is a DialError of the phase
`hello`, so that whoever can tell of a failed dial can tell of this as well. From then on the
participant sees every message through `Session.observe`, beside the probe that receives it, and
answers the endpoint's heartbeats.

What it may send by itself differs. An answer to a heartbeat asks for nothing, and every client of
that protocol gives it: so a protocol that was recognised is enough. A hello may log in, subscribe
or count as a session: it takes `--dialect NAME` or `--hello`. So do heartbeats of its own, which a
protocol without a hello would take for a violation. A probe that tests what keeps a connection
alive is a mere listener.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from wsdiag.dialects.catalogue import Dialect, Message, Recognised, dialect_named, recognise
from wsdiag.dialects.engine import AnnouncedClock, DialectSession, HeardKind
from wsdiag.dialects.heartbeat import says_heartbeat
from wsdiag.patterns import PatternTooSlow, matches
from wsdiag.probes.common.await_pong import describe_close
from wsdiag.probes.common.messages import as_text, excerpt, says_error
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, TextMessage
from wsdiag.records import DialectInfo, HelloInfo
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.connector import TcpWatcher
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import now

if TYPE_CHECKING:
    from wsdiag.transport.trace import Tracer

Part = Literal["client", "answerer", "listener"]
"""What it does by itself: all that a client does, or answer heartbeats only, or neither."""

BEAT_S = 20.0
_CLOSE_S = 1.0
# A greeting follows the 101 at once; a client that waited for longer would start later for nothing.
_GREETING_S = 0.005
_QUIET_KINDS = {"ping", "beat-answer", "hello-answer", "hello-refused"}


class HelloError(DialError):
    """The connection opened, and its hello was refused or not answered; `hello`: what is known."""

    hello: HelloInfo
    dialect: DialectInfo | None = None


class Participant:
    """One connection's part in the endpoint's application protocol."""

    def __init__(self, session: Session, options: DialOptions, part: Part = "client") -> None:
        report = session.report
        self.session = session
        self._part = part
        self.on_sent: Callable[[], None] | None = None
        """Called whenever something was sent from here."""
        self.unanswered_ns: int | None = None
        """When the endpoint's oldest heartbeat came that wanted an answer and got none."""
        self.hello: HelloInfo | None = None
        self.hello_sent_ns: int | None = None
        self.hello_answers_ns: set[int] = set()
        """When answers to the hello came, those that refuse it as well."""
        self.recognised: Recognised | None = None
        self._options = options
        self._url = "" if report is None else report.url
        # a redirect led to another origin, where credentials are not sent
        self._withheld = report is not None and report.credentials_dropped
        self._spoken: DialectSession | None = None
        self._reader: DialectSession | None = None
        self._seen_first = False
        self._greeted = asyncio.Event()
        self._answers = part != "listener"
        self._waiting = False
        self._answered = asyncio.Event()
        self._accepted = asyncio.Event()
        """The dialect's own answer to a hello came, or none can come any more."""
        self._answer: str | None = None
        self._refusal: str | None = None
        self._answered_ns: int | None = None
        self._end: Close | StreamEnd | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._choose(None if report is None else report.subprotocol)
        session.observe(self._observe)

    @property
    def dialect(self) -> Dialect | None:
        """The application protocol; None: none is known."""
        return None if self.recognised is None else self.recognised.dialect

    @property
    def info(self) -> DialectInfo | None:
        """The same for a record."""
        found = self.recognised
        return (
            None
            if found is None
            else DialectInfo(found.dialect.name, found.by, found.dialect.title)
        )

    @property
    def clock(self) -> AnnouncedClock | None:
        """The times that the endpoint announced."""
        return None if self._spoken is None else self._spoken.clock

    @property
    def takes_part(self) -> bool:
        """Whether it may send heartbeats of its own: a hello was said, or none is needed."""
        dialect = self.dialect
        return dialect is not None and (self.hello_sent_ns is not None or not dialect.hello)

    def meaning_of(self, close: tuple[int | None, str] | None) -> str | None:
        """What the endpoint's Close frame means in its protocol; None: nothing that is known."""
        if close is None or self.dialect is None:
            return None
        return self.dialect.meaning_of(*close)

    async def settle(self) -> None:
        """Give an endpoint that greets at once time to say what it speaks."""
        if self.recognised is None and self._options.dialect == "auto" and not self._seen_first:
            with suppress(TimeoutError):
                async with asyncio.timeout(_GREETING_S):
                    await self._greeted.wait()

    def carries_data(self, message: Message, dropped: int = 0) -> bool:
        """Whether a message is more than its protocol's own: a heartbeat, an opening.

        `dropped`: bytes after it that were not kept.

        Of a protocol that is not known, a heartbeat is what says so; with `--dialect none` nothing.
        """
        if self.recognised is None:
            return self._options.dialect == "none" or not says_heartbeat(message)
        dialect = self.recognised.dialect
        if self._reader is None:
            self._reader = DialectSession(dialect)
        return any(
            heard.kind not in _QUIET_KINDS and not dialect.opens(heard.record)
            for heard in self._reader.hear(message, dropped)
        )

    # -- the hello -----------------------------------------------------------------------------

    async def greet(self) -> None:
        """Say the hello and await its answer; HelloError when it is refused or not answered."""
        options = self._options
        messages: list[Message] = [] if self._withheld else list(options.hello)
        own = not messages and options.dialect not in ("auto", "none") and not options.hello
        if own and self._spoken is not None:
            messages = self._spoken.hello()
        if not messages and options.hello_expect is None:
            self._start_beating()
            return
        self._waiting = True
        for number, message in enumerate(messages):
            if number == 1:
                await self._acceptance()
            self._send_hello(message, secret=not own)
        began_ns = self.hello_sent_ns or now().mono_ns
        with suppress(TimeoutError):
            async with asyncio.timeout(options.hello_wait):
                await self._answered.wait()
        self._waiting = False
        took_ms = None if self._answered_ns is None else (self._answered_ns - began_ns) / 1e6
        self.hello = HelloInfo(bool(messages), self._answer, took_ms)
        if (error := self._failure(own=own)) is not None:
            error.hello, error.dialect = self.hello, self.info
            await self.session.close(1000, timeout=_CLOSE_S)
            raise error
        self._start_beating()

    async def _acceptance(self) -> None:
        """Let a known protocol accept the first message before the next: a subscription, say."""
        if self.dialect is not None and self.dialect.hello_answer is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.hello_wait):
                    await self._accepted.wait()

    def _send_hello(self, message: Message, *, secret: bool) -> None:
        if isinstance(message, str) and self.dialect is not None and self.dialect.encoding == "hex":
            message = message.encode()
        tracer = self.session.connection.on_frame
        if secret and tracer is not None:
            from wsdiag.transport.trace import FrameTracer

            assert isinstance(tracer, FrameTracer)  # the only listener there is
            tracer.hide(message.encode() if isinstance(message, str) else message)
        if self._send(message):
            self.hello_sent_ns = now().mono_ns
            if self._spoken is not None:
                self._spoken.said(message)

    def _failure(self, *, own: bool) -> HelloError | None:
        """Why the hello did not succeed; None when it did, or when nothing says otherwise."""
        options = self._options
        name = "" if self.dialect is None else self.dialect.title
        facts = {"dialect": name, "wait_s": options.hello_wait, "answer": self._answer or ""}
        if self._end is not None and self._answered_ns is None:
            what = "the server ended the connection"
            if isinstance(self._end, Close):
                what = f"the server closed with {describe_close(self._end)}"
                meaning = self.meaning_of((self._end.code, self._end.reason))
                what += f": {meaning}" if meaning else ""
            return self._error(
                "closed", "hello-closed", f"{what}, instead of an answer to the hello", facts
            )
        if self._refusal is not None:
            message = f"the endpoint refused the hello: {self._refusal}"
            return self._error("refused", "hello-refused", message, facts)
        if self._answered_ns is not None:
            return None
        if options.hello_expect is not None:
            came = f"; the last one was: {self._answer}" if self._answer else ""
            message = (
                f"no message that matches --hello-expect came within {options.hello_wait:g} s{came}"
            )
            return self._error("timeout", "hello-unexpected", message, facts)
        if own and self.dialect is not None and self.dialect.hello_answer is not None:
            message = f"no answer to the {name} hello within {options.hello_wait:g} s"
            return self._error("timeout", "hello-unanswered", message, facts)
        return None

    def _error(self, kind: Any, code: str, message: str, facts: dict[str, Any]) -> HelloError:
        return HelloError(kind, "hello", code, message, self.session.report, **facts)

    # -- what comes ----------------------------------------------------------------------------

    def _observe(self, seen: Received | StreamEnd) -> None:
        event = seen if isinstance(seen, StreamEnd) else seen.event
        if isinstance(event, StreamEnd | Close):
            self._end = self._end or event
            self._answered.set()
            self._accepted.set()
        if isinstance(seen, StreamEnd) or not isinstance(event, TextMessage | BinaryMessage):
            return
        message: Message = event.text if isinstance(event, TextMessage) else event.data
        if not self._seen_first:
            self._seen_first = True
            self._greeted.set()
            self._choose(None, message)
        kinds: set[HeardKind] = set()
        said = message
        if self._spoken is not None:
            for heard in self._spoken.hear(message, event.dropped):
                kinds.add(heard.kind)
                if heard.kind in ("hello-answer", "hello-refused"):
                    said = heard.record
                    self._accepted.set()
                    self._answers_hello(seen)
                if heard.answer is not None and not (self._answers and self._send(heard.answer)):
                    self.unanswered_ns = self.unanswered_ns or seen.at.mono_ns
        if self._waiting and not self._answered.is_set():
            self._consider(said, kinds, seen)

    def _answers_hello(self, seen: Received) -> None:
        if self.hello_sent_ns is not None and seen.at.mono_ns >= self.hello_sent_ns:
            self.hello_answers_ns.add(seen.at.mono_ns)

    def _choose(self, subprotocol: str | None, first: Message | None = None) -> None:
        """Which protocol it is, as far as can be told."""
        name = self._options.dialect
        if self.recognised is not None or name == "none":
            return
        if name == "auto":
            self.recognised = recognise(self._url, subprotocol, first)
        elif (named := dialect_named(name)) is not None:
            self.recognised = Recognised(named, "--dialect")
        if self.recognised is not None:
            host = Target.parse(self._url).host if self._url else ""
            self._spoken = DialectSession(self.recognised.dialect, host)

    def _consider(self, message: Message, kinds: set[HeardKind], seen: Received) -> None:
        """Whether a message that came after the hello is its answer."""
        at_ns = seen.at.mono_ns
        if self.hello_sent_ns is not None and at_ns < self.hello_sent_ns:
            return
        said, refused = excerpt(message, self._secrets()), "hello-refused" in kinds
        expect = self._options.hello_expect
        if expect is not None:
            try:
                accepted = matches(re.compile(expect), as_text(message))
            except PatternTooSlow as slow:
                accepted, refused, said = False, True, str(slow)
        else:
            dialect = self.dialect
            knows = dialect is not None and dialect.hello_answer is not None
            accepted = "hello-answer" in kinds if knows else kinds <= {"data"}
            refused |= not knows and accepted and says_error(message)
        if kinds <= {"data"} or accepted or refused:
            self._answer = said
        if accepted or refused:
            self._refusal = said if refused else None
            self._answered_ns = at_ns
            self._answers_hello(seen)
            self._answered.set()

    def _secrets(self) -> list[str]:
        return [as_text(each) for each in self._options.hello]

    # -- what is sent --------------------------------------------------------------------------

    def _send(self, message: Message) -> bool:
        """Whether it could be sent: not while the connection is closing."""
        try:
            if isinstance(message, str):
                self.session.send_text(message, stamp=False)
            else:
                self.session.send_binary(message, stamp=False)
        except LocalProtocolError:
            return False
        if self.on_sent is not None:
            self.on_sent()
        return True

    def beat(self) -> bool:
        """Send a heartbeat of the client's own; False where there is none, or it is closing."""
        message = None if self._spoken is None else self._spoken.heartbeat()
        return message is not None and self._send(message)

    def _start_beating(self) -> None:
        """With `--dialect NAME` a client's own heartbeats are sent as well, as often as is due."""
        named = self._options.dialect not in ("auto", "none")
        if named and self._part == "client" and self.takes_part:
            self._timer = asyncio.get_running_loop().call_later(self._beat_s(), self._beat)

    def _beat_s(self) -> float:
        clock = self.clock
        if clock is None:
            return BEAT_S
        due_s = [BEAT_S, clock.interval_s, None if clock.idle_s is None else clock.idle_s / 2]
        return min(each for each in due_s if each is not None)

    def _beat(self) -> None:
        if self.session.ended is None and self.beat():
            self._timer = asyncio.get_running_loop().call_later(self._beat_s(), self._beat)


async def open_session(
    url: str | Target,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    timestamps: bool = True,
    part: Part = "client",
    on_phase: Callable[[str], None] | None = None,
    watcher: TcpWatcher | None = None,
    shared: SharedHttp2 | None = None,
) -> Participant:
    """Dial, and say the hello. Raises DialError; HelloError where the hello was refused.

    `on_phase`, `watcher`: as `dial` calls them.
    """
    named = dialect_named(options.dialect)
    if named is not None and not options.subprotocols:
        options = replace(options, subprotocols=tuple(named.subprotocols[:1]))
    session = await dial(
        url,
        options,
        tracer=tracer,
        timestamps=timestamps,
        on_phase=on_phase,
        watcher=watcher,
        shared=shared,
    )
    participant = Participant(session, options, part)
    try:
        if on_phase is not None:
            on_phase("hello")
        await participant.greet()
    except BaseException:
        session.stream.close()
        raise
    return participant
