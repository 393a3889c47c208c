"""`wsdiag connect`: one connection from its name to a clean close, each phase timed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.judgement.diagnosis.page_text import readable
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.probes.common.drops import drop_of
from wsdiag.probes.common.end_origin import EndOrigin
from wsdiag.probes.common.participant import HelloError, Participant, open_session
from wsdiag.probes.common.phases import phases_of
from wsdiag.probes.connect.interrupt import Interrupt
from wsdiag.probes.connect.notes import (
    close_notes,
    cut_note,
    dial_notes,
    ended_error,
    no_message_note,
    pong_note,
    unfinished_note,
    violation_error,
)
from wsdiag.protocol.content import body_text
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import BinaryMessage, Close, Pong, TextMessage, Violation
from wsdiag.records import CloseInfo, ConnectResult, Error, HttpInfo, Message, TcpFacts, TlsInfo
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Received, Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import SendRecord, round_trip_ns
from wsdiag.transport.tls.values import TlsFacts
from wsdiag.transport.trace import Tracer

_BODY_CHARS = 2048
_TEXT_LINES = 8
_ANSWER_S = 5.0
_LEAST_S = 0.01
_HURRIED_S = 1.0
"""What --max-time cut to less than this says nothing about the endpoint."""
_MESSAGES = 10_000


async def connect(
    url: str,
    options: DialOptions,
    *,
    tracer: Tracer | None = None,
    ping_timeout_s: float = 5.0,
    close_timeout_s: float = 5.0,
    send: Sequence[str] = (),
    listen_s: float | None = None,
    max_time_s: float | None = None,
    on_wait: Callable[[str], None] | None = None,
    interrupt: Interrupt | None = None,
    look_at_http2: bool = True,
) -> ConnectResult:
    """What a connection to `url` finds, step by step; a failure is in the result's `error`.

    `send`: texts to send once the first Ping is answered. `listen_s`: how long to take messages
    then; None: until one has come for each of `send`, 5 s at most. `max_time_s` bounds it all, in
    what it waits for. `on_wait` hears what is awaited, and `interrupt` ends that. `look_at_http2`:
    for wss://, see afterwards what a browser would find over HTTP/2.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    interrupt = interrupt or Interrupt()
    interrupt.begin()
    result, report = await _connect(
        url,
        options,
        tracer,
        ping_timeout_s,
        close_timeout_s,
        send,
        listen_s,
        max_time_s,
        on_wait,
        interrupt,
    )
    if options.http_version == "2":
        error = result.error
        opened = error is None or error.phase in ("hello", "ping", "messages")
        opens = opened and report.http2 is not None and report.http2.opened
        if report.http2 is not None or result.ok:
            from wsdiag.probes.connect.http2_look import info_of

            ping_ms, said = result.phases.ping_ms, None if error is None else error.message
            return replace(result, http2=info_of(report, opens=opens, ping_ms=ping_ms, error=said))
        return result
    if not look_at_http2 or options.http_version != "1.1":
        return result
    phase = None if result.error is None else result.error.phase
    from wsdiag.probes.connect.http2_look import LOOK_S, http2_look, worth_a_look

    left_s = LOOK_S if max_time_s is None else began_s + max_time_s - loop.time()
    if interrupt.came or left_s <= 0 or not worth_a_look(url, report, phase):
        return result
    if on_wait is not None:
        on_wait("http2")
    async with interrupt.cuts():
        return replace(result, http2=await http2_look(url, options, report, min(LOOK_S, left_s)))
    return result


async def _connect(
    url: str,
    options: DialOptions,
    tracer: Tracer | None,
    ping_timeout_s: float,
    close_timeout_s: float,
    send: Sequence[str],
    listen_s: float | None,
    max_time_s: float | None,
    on_wait: Callable[[str], None] | None,
    interrupt: Interrupt,
) -> tuple[ConnectResult, DialReport]:
    until_s = None if max_time_s is None else asyncio.get_running_loop().time() + max_time_s
    given_s = options.connect_timeout
    if max_time_s is not None:
        options = replace(
            options,
            connect_timeout=min(options.connect_timeout, max_time_s),
            hello_wait=min(options.hello_wait, max_time_s),
        )
    origin = EndOrigin(url)
    try:
        participant = await open_session(
            url, options.beginnings(), tracer=tracer, on_phase=on_wait, watcher=origin
        )
    except HelloError as error:
        origin.close()
        failed = _result(url, error.report, error=diagnose(url, error))
        return replace(failed, hello=error.hello, dialect=error.dialect), error.report
    except DialError as error:
        seen = _within(max_time_s, origin.explain_error(diagnose(url, error)), given_s)
        origin.close()
        return _result(url, error.report, error=seen), error.report
    use = _Use(url, participant, on_wait or (lambda _: None), until_s, origin, interrupt)
    try:
        result = await use.run(ping_timeout_s, close_timeout_s, send, listen_s)
    finally:
        participant.session.stream.close()
        origin.close()
    report = participant.session.report
    assert report is not None  # a dialled session has one
    return replace(result, hello=participant.hello, dialect=participant.info), report


def _within(max_time_s: float | None, error: Error, given_s: float) -> Error:
    """The error, its hint naming the option that was the limit."""
    if max_time_s is None or max_time_s >= given_s or error.hint is None:
        return error
    return replace(error, hint=error.hint.replace("--connect-timeout", "-m/--max-time"))


class _Use:
    """What is done with an open session: a Ping, messages where asked for, a Close."""

    def __init__(
        self,
        url: str,
        participant: Participant,
        on_wait: Callable[[str], None],
        until_s: float | None,
        origin: EndOrigin,
        interrupt: Interrupt,
    ) -> None:
        """`until_s`: when all of it must be over, in loop time."""
        self._interrupt = interrupt
        self._origin = origin
        self._url, self._on_wait, self._until_s = url, on_wait, until_s
        self._participant, self._session = participant, participant.session
        self._messages: list[Message] = []
        self._broken = False
        """Whether the peer broke a rule in what was read: nothing is read after that."""

    async def run(
        self,
        ping_timeout_s: float,
        close_timeout_s: float,
        send: Sequence[str],
        listen_s: float | None,
    ) -> ConnectResult:
        session, connection = self._session, self._session.connection
        report = session.report
        assert report is not None  # a dialled session has one
        notes: list[str] = []
        error: Error | None = None
        ping_ms: float | None = None
        asked = bool(send) or listen_s is not None
        phase, loop = "ping", asyncio.get_running_loop()
        since_s = loop.time()
        try:
            async with self._interrupt.cuts():
                self._on_wait(phase)
                asked_s, ping_timeout_s = ping_timeout_s, self._bounded(ping_timeout_s)
                ping_ms, others = await self._first_ping(ping_timeout_s)
                if ping_ms is None and connection.violation is None:
                    notes.append(
                        pong_note(
                            ping_timeout_s,
                            others=others,
                            unsent=session.stream.unsent,
                            unfinished=connection.unfinished_frame,
                            hurried=ping_timeout_s < min(asked_s, _HURRIED_S),
                            messages=self._messages,
                        )
                    )
                asks = asked and not self._broken
                if asks or ping_ms is not None:
                    phase = "messages"
                if asks:
                    since_s = loop.time()
                    self._on_wait(phase)
                    notes += await self._listen(send, listen_s)
            if self._interrupt.came:
                notes.append(cut_note("Interrupted", phase, loop.time() - since_s))
        except SessionEnded as ended:
            drop = self._origin.explain(drop_of(session, ended.end))
            meaning = self._participant.meaning_of(connection.close_received)
            drop = replace(drop, detail=meaning or drop.detail)
            error = ended_error(self._url, drop, self._messages, phase, report)
        if connection.truncated and session.ended is not None:
            drop = drop_of(session, session.ended)
            error = ended_error(self._url, drop, self._messages, phase, report)
        elif connection.violation is not None:
            error = violation_error(self._url, connection.violation, phase, report.status)
        tcp = _tcp_facts(session)
        if session.http2 is not None:
            notes += [f"The server sent {each.text}." for each in session.http2.notices.heard]
        gone = session.ended is not None or session.close_arrived is not None
        began_s = loop.time()
        self._on_wait("close")
        asked_s, close_timeout_s = close_timeout_s, self._bounded(close_timeout_s)
        outcome = None
        async with self._interrupt.cuts():
            outcome = await session.close(timeout=close_timeout_s)
        # From our Close to TCP's end; of a peer that was gone before, there is nothing to time.
        close_ms = None if gone else (loop.time() - began_s) * 1e3
        if outcome is None:
            notes.append(cut_note("Interrupted", "close", loop.time() - began_s))
            outcome = await session.close(timeout=0)
        elif error is None or outcome.clean:
            notes += close_notes(
                outcome,
                close_timeout_s,
                multiplexed=session.stream.multiplexed,
                end=session.ended,
                hurried=close_timeout_s < min(asked_s, _HURRIED_S),
            )
        return _result(
            self._url,
            report,
            error=error,
            tcp=tcp,
            notes=notes,
            messages=self._messages if asked or (error and self._messages) else None,
            ping_ms=ping_ms,
            close_ms=close_ms,
            close=CloseInfo(outcome.code, outcome.reason, outcome.clean, outcome.tcp_ended_by),
        )

    def _bounded(self, timeout_s: float) -> float:
        if self._until_s is None:
            return timeout_s
        return min(timeout_s, max(_LEAST_S, self._until_s - asyncio.get_running_loop().time()))

    async def _first_ping(self, timeout_s: float) -> tuple[float | None, bool]:
        """(the first round trip in ms or None, whether Pongs came that were no answer to it).

        Raises SessionEnded when the server leaves instead.
        """
        payload, others = os.urandom(8), False
        sent: SendRecord | None = None
        with suppress(LocalProtocolError):  # a Close came with the upgrade: its event is to be read
            sent = self._session.ping(payload)
        with suppress(TimeoutError):
            async for received in self._received(timeout_s):
                if isinstance(event := received.event, Pong):
                    if sent is not None and event.payload == payload:
                        return round_trip_ns(sent, received.at)[0] / 1e6, others
                    others = True
        return None, others

    async def _listen(self, send: Sequence[str], listen_s: float | None) -> list[str]:
        """Send, and take messages for `listen_s` seconds, or until one came for each text.

        What is to be said of that, other than the messages.
        """
        wanted_s = _ANSWER_S if listen_s is None else listen_s
        bounded_s, before = self._bounded(wanted_s), len(self._messages)
        with suppress(LocalProtocolError):
            for text in send:
                self._session.send_text(text)
        with suppress(TimeoutError):
            async for _ in self._received(bounded_s):
                if listen_s is None and len(self._messages) >= before + len(send):
                    return []
            return []  # it broke a rule, which is told
        if bounded_s < wanted_s:
            return [cut_note("--max-time was over", "messages", bounded_s)]
        if held := self._session.connection.held_bytes:
            return [unfinished_note(held)]
        return [no_message_note(wanted_s)] if len(self._messages) == before else []

    async def _received(self, within_s: float) -> AsyncIterator[Received]:
        """Events as they come, messages noted; ends with a violation.

        Raises TimeoutError behind what came in time, though we may have been stopped and read it
        late; and SessionEnded, also at a Close frame: TCP may stay open after it for long.
        """
        session, loop = self._session, asyncio.get_running_loop()
        until_s = loop.time() + within_s
        while (received := await session.receive(max(0.0, until_s - loop.time()))) is not None:
            self._note(received)
            if isinstance(received.event, Violation):
                self._broken = True
                return
            if isinstance(received.event, Close):
                raise SessionEnded(StreamEnd("timeout", "TCP stayed open", received.at))
            yield received
            if received.at.mono_ns / 1e9 > until_s:  # a flood never lets the queue run empty
                break
        raise TimeoutError

    def _note(self, received: Received) -> None:
        event = received.event
        if not isinstance(event, TextMessage | BinaryMessage) or len(self._messages) >= _MESSAGES:
            return
        at_ms = (received.at.mono_ns - self._session.opened.mono_ns) / 1e6
        if isinstance(event, TextMessage):
            text, size = event.text[:_BODY_CHARS], len(event.text.encode("utf-8"))
            size += event.dropped
            self._messages.append(Message(at_ms, "text", text, size))
        else:
            text = event.data[:_BODY_CHARS].decode("utf-8", "replace")
            self._messages.append(Message(at_ms, "binary", text, len(event.data) + event.dropped))


def _result(
    url: str,
    report: DialReport,
    *,
    error: Error | None = None,
    tcp: TcpFacts | None = None,
    notes: list[str] | None = None,
    close: CloseInfo | None = None,
    messages: Sequence[Message] | None = None,
    **later: float | None,
) -> ConnectResult:
    refused = error is not None and error.kind == "cert"
    return ConnectResult(
        url=url,
        ok=error is None,
        address=report.address,
        proxy=report.proxy,
        proxy_why=report.proxy_why,
        phases=phases_of(report, **later),
        http=_http(report, failed=error is not None),
        tls=_tls(report.tls),
        subprotocol=report.subprotocol,
        extensions=report.extensions,
        alt_svc=_alt_svc(report),
        tcp=tcp,
        hops=hops_from_headers(report.headers),
        messages=None if messages is None else tuple(messages),
        close=close,
        error=error,
        redirects=report.redirects or None,
        reached=report.url if report.redirects else None,
        request=report.request_headers or None,
        notes=dial_notes(report, certificate_refused=refused) + (notes or []),
    )


def _alt_svc(report: DialReport) -> str | None:
    values = [value for name, value in report.headers if name.lower() == "alt-svc"]
    announced = None if report.http2 is None else report.http2.alternative_service
    return ", ".join(values) or announced


def _http(report: DialReport, *, failed: bool) -> HttpInfo | None:
    if report.status is None:
        return None
    body = body_text(list(report.headers), report.body) if failed else ""
    lines = readable(body, _TEXT_LINES) or None
    return HttpInfo(
        report.status,
        report.reason,
        report.headers,
        body[:_BODY_CHARS] or None,
        lines,
        report.http_version,
    )


def _tls(tls: TlsFacts | None) -> TlsInfo | None:
    if tls is None:
        return None
    return TlsInfo(
        version=tls.version,
        cipher=tls.cipher,
        alpn=tls.alpn,
        subject=tls.subject,
        issuer=tls.issuer,
        sans=tls.sans,
        not_after=tls.not_after,
        expires_in_days=tls.expires_in_days,
        verified=tls.verified,
        chain=tls.chain,
    )


def _tcp_facts(session: Session) -> TcpFacts | None:
    info = session.tcp_info()
    if info is None:
        return None
    floor_ms = None if info.min_rtt_us is None else info.min_rtt_us / 1e3
    return TcpFacts(info.rtt_us / 1e3, floor_ms, info.total_retrans, info.snd_mss)
