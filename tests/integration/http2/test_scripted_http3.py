"""An HTTP/3 server that answers by a script: what is asked again, and what is said of its ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aioquic.asyncio import QuicConnectionProtocol
from aioquic.asyncio import serve as serve_quic
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, encode_frame
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, ProtocolNegotiated, QuicEvent
from aioquic.quic.packet import QuicErrorCode, QuicFrameType

from tests.peers.certs import Authority
from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.probes.connect.notes import dial_notes
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport

Act = Callable[["Server"], None]


class Server(QuicConnectionProtocol):
    """Does the next of `acts` when it is asked; without any left, opens."""

    acts: list[Act]
    early: bool
    connections: list[Server]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.http: H3Connection | None = None
        self.connections.append(self)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
            if self.early and self.acts:
                self.acts.pop(0)(self)
        if self.http is None:
            return
        for said in self.http.handle_event(event):
            if isinstance(said, HeadersReceived) and not (self.early and self._is_first()):
                (self.acts.pop(0) if self.acts else _open)(self)

    def _is_first(self) -> bool:
        return self.connections[0] is self

    def goaway(self, first: int) -> None:
        """Send a GOAWAY, cut into two pieces, behind a frame of a kind that nobody knows."""
        assert self.http is not None
        control = self.http._local_control_stream_id
        unknown = encode_frame(0x21, bytes(100))
        frame = unknown + encode_frame(FrameType.GOAWAY, encode_uint_var(first))
        self._quic.send_stream_data(control, frame[:-1])
        self.transmit()
        self._loop.call_later(0.05, self._rest, control, frame[-1:])

    def _rest(self, control: int, rest: bytes) -> None:
        self._quic.send_stream_data(control, rest)
        self.transmit()

    def reset(self, code: int) -> None:
        """Reset the request's stream."""
        self._quic.reset_stream(0, code)


class Mute(QuicConnectionProtocol):
    """Completes the QUIC handshake, and opens no control stream."""


class Leaving(QuicConnectionProtocol):
    """Ends the connection where its SETTINGS were due."""

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self._quic.close(ErrorCode.H3_INTERNAL_ERROR, reason_phrase="no backend")


def _open(server: Server) -> None:
    assert server.http is not None
    server.http.send_headers(0, [(b":status", b"200")])


def _reject(server: Server) -> None:
    server.reset(ErrorCode.H3_REQUEST_REJECTED)


def _leave(server: Server) -> None:
    server.goaway(0)


def _cancel(server: Server) -> None:
    server.reset(ErrorCode.H3_REQUEST_CANCELLED)


def _drain(server: Server) -> None:
    server.goaway(4)
    server.reset(ErrorCode.H3_INTERNAL_ERROR)


def _break(server: Server) -> None:
    assert server.http is not None
    control = server.http._local_control_stream_id
    server._quic.send_stream_data(control, encode_frame(FrameType.DATA, b"here"))


def _close(server: Server) -> None:
    server._quic.close(ErrorCode.H3_INTERNAL_ERROR, reason_phrase="backend gone")


def _fail(server: Server) -> None:
    server._quic.close(QuicErrorCode.PROTOCOL_VIOLATION, QuicFrameType.ACK, "bad ACK")


def dialled(
    ca: Authority,
    *acts: Act,
    early: bool = False,
    kind: type[QuicConnectionProtocol] = Server,
    timeout_s: float = 10.0,
) -> tuple[DialReport | DialError, int]:
    """What a dial makes of such a server, and how many connections that took."""
    kind = type("Scripted", (kind,), {"acts": list(acts), "early": early, "connections": []})
    cert = ca.cert()

    async def go() -> DialReport | DialError:
        config = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
        config.load_cert_chain(cert.cert, cert.key)
        server = await serve_quic("127.0.0.1", 0, configuration=config, create_protocol=kind)
        try:
            _, port = server._transport.get_extra_info("sockname")
            options = DialOptions(http_version="3", cacert=ca.pem, connect_timeout=timeout_s)
            session = await dial(f"wss://127.0.0.1:{port}/", options)
            session.abort()
            assert session.report is not None
            return session.report
        except DialError as error:
            return error
        finally:
            server.close()

    found = asyncio.run(go())
    return found, len(kind.connections)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("act", "early", "why"),
    [(_reject, False, "H3_REQUEST_REJECTED"), (_leave, False, "GOAWAY"), (_leave, True, "GOAWAY")],
)
def test_it_opens_on_a_new_connection_and_that_is_told(
    ca: Authority, act: Act, early: bool, why: str
) -> None:
    report, connections = dialled(ca, act, early=early)
    assert isinstance(report, DialReport), report
    assert connections == 2
    assert why in (report.asked_again or "")
    notes = dial_notes(report, certificate_refused=False)
    assert any(why in note and "RFC 9114" in note for note in notes), notes


def test_once_more_and_not_again(ca: Authority) -> None:
    error, connections = dialled(ca, _reject, _reject, _reject)
    assert isinstance(error, DialError)
    assert error.message.endswith("H3_REQUEST_REJECTED, on a new connection too")
    assert connections == 2


@pytest.mark.parametrize("act", [_cancel, _drain])
def test_what_may_have_been_processed_is_not_asked_again(ca: Authority, act: Act) -> None:
    error, connections = dialled(ca, act)
    assert isinstance(error, DialError)
    assert error.report.asked_again is None
    assert connections == 1


@pytest.mark.parametrize(
    ("act", "code", "said"),
    [
        (_break, "http3-violation", "the server broke HTTP/3: "),
        (_close, "http3-closed", "(backend gone)"),
        (_fail, "http3-closed", "(bad ACK)"),
    ],
)
def test_whose_fault_the_end_is(ca: Authority, act: Act, code: str, said: str) -> None:
    error, _ = dialled(ca, act)
    assert isinstance(error, DialError)
    assert error.code == code
    assert said in error.message


@pytest.mark.parametrize(
    ("kind", "message", "hint"),
    [
        (Mute, "did not send HTTP/3's SETTINGS within 2 s", "RFC 9114, 6.2.1"),
        (Leaving, "the connection ended instead of SETTINGS (no backend)", "without --http3"),
    ],
)
def test_settings_that_do_not_come_are_told_as_http3s(
    ca: Authority, kind: type[QuicConnectionProtocol], message: str, hint: str
) -> None:
    error, _ = dialled(ca, kind=kind, timeout_s=2.0)
    assert isinstance(error, DialError)
    assert error.phase == "settings"
    told = diagnose("wss://a.test/", error)
    assert message in told.message
    assert hint in (told.hint or "")
    assert "http2" not in (told.hint or "")


def _page(server: Server) -> None:
    assert server.http is not None
    server.http.send_headers(0, [(b":status", b"200"), (b"content-type", b"text/html")])
    server.http.send_data(0, b"<title>Our shop</title>", end_stream=True)


def _hints(server: Server) -> None:
    assert server.http is not None
    for _ in range(3):
        server.http.send_headers(0, [(b":status", b"103")])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (_page, "a web page came instead of a WebSocket (200 OK): Our shop"),
        (_hints, "only interim answers within 2 s (3 of them, the last 103 Early Hints)"),
    ],
)
def test_what_opens_nothing_is_told_as_over_http2(ca: Authority, act: Act, words: str) -> None:
    error, _ = dialled(ca, act, timeout_s=2.0)
    assert isinstance(error, DialError)
    assert words in diagnose("wss://a.test/", error).message
