"""What a WebSocket's bytes flow through: a connection of HTTP/1.1, a stream of HTTP/2 or 3.

Each opening ends with the `upgrade` phase: the request is told, and the answer judged.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from wsdiag.transport.dial.connector import Connector
from wsdiag.transport.dial.phase_log import PhaseLog
from wsdiag.transport.dial.proxy import choose
from wsdiag.transport.dial.upgrade import prepare, upgrade
from wsdiag.transport.report import DialError, DialReport, Http2Facts, Progress
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.tcp import format_address

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.transport.http2.connection import Http2Connection


class Opened(NamedTuple):
    """What a WebSocket is spoken on, and the answer that opened it, which came `at`."""

    carrier: ByteStream
    accepted: Accepted
    at: Arrival
    http2: Http2Connection | None = None
    """The connection that the stream belongs to."""


class SharedHttp2:
    """One HTTP/2 connection for the streams of several dials; the first of them makes it."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.connection: Http2Connection | None = None
        self.report: DialReport | None = None

    def close(self) -> None:
        """End it, once its streams are over."""
        if self.connection is not None:
            self.connection.close()


async def open_carrier(connector: Connector, shared: SharedHttp2 | None = None) -> Opened:
    """Open one with the version of HTTP that the options ask for. Raises DialError.

    `shared`: over HTTP/2, the connection of which it is to be a stream.
    """
    if connector.options.http_version == "3":
        return await _open_http3(connector)
    if shared is not None:
        return await _open_shared(connector, shared)
    stream = await connector.open()
    try:
        if connector.options.http_version == "2":
            return await _open_http2(connector, stream)
        return await _open_http1(connector, stream)
    except BaseException:
        stream.close()
        raise


async def _open_http1(connector: Connector, stream: Stream) -> Opened:
    target, log, progress = connector.target, connector.log, connector.log.progress()

    async def opening() -> Opened:
        handshake, request = prepare(target, connector.options)
        log.asks(f"GET {target.path_and_query} HTTP/1.1", handshake.request_headers)
        return Opened(stream, *await upgrade(stream, handshake, request, progress))

    return await _upgraded(log, opening(), progress)


async def _open_http2(connector: Connector, stream: Stream) -> Opened:
    connection = await _begin_http2(connector.log, stream)
    try:
        opened = await _extended_connect(connector, connection)
    except BaseException:
        connection.close()
        raise
    connection.release()
    return opened


async def _open_shared(connector: Connector, shared: SharedHttp2) -> Opened:
    """A stream on the connection that the first of these dials makes."""
    report = connector.log.report
    async with shared.lock:
        connection = shared.connection
        if connection is None or not connection.takes_requests:
            if connection is not None:
                connection.release()
            stream = await connector.open()
            try:
                connection = await _begin_http2(connector.log, stream)
            except BaseException:
                stream.close()
                raise
            shared.connection, shared.report = connection, report
        elif (first := shared.report) is not None:
            report.address, report.tls = first.address, first.tls
            report.http2 = None if first.http2 is None else replace(first.http2)
    try:
        return await _extended_connect(connector, connection)
    except DialError as error:
        # on a connection of its own it would share nothing
        error.unprocessed = error.unprocessed and not connection.takes_requests
        raise


async def _begin_http2(log: PhaseLog, stream: Stream) -> Http2Connection:
    from wsdiag.transport.dial import http2

    facts, progress = Http2Facts(), log.progress()
    log.report.http2 = facts
    return await log.timed(
        "settings", http2.begin(stream, facts, progress), lambda _: _settings_of(facts), progress
    )


async def _extended_connect(connector: Connector, connection: Http2Connection) -> Opened:
    from wsdiag.transport.dial import http2

    target, options, log = connector.target, connector.options, connector.log
    facts, progress = log.report.http2, log.progress()
    assert facts is not None  # its SETTINGS have come

    async def opening() -> Opened:
        request = http2.handshake_for(target, options)
        line = f"CONNECT {target.path_and_query} HTTP/2"
        log.asks(line, request.request_headers, request.pseudo_headers)
        found = await http2.extended_connect(connection, request, target, options, facts, progress)
        return Opened(*found, connection)

    return await _upgraded(log, opening(), progress)


async def _open_http3(connector: Connector) -> Opened:
    from wsdiag.transport.dial import http2, http3

    target, options, log = connector.target, connector.options, connector.log
    report, facts, progress = log.report, Http2Facts(), Progress()
    proxy, report.proxy_why = choose(target, options, os.environ)
    if proxy is not None:
        raise http3.refuse_proxy(proxy.url, proxy.why)
    addresses = await connector.addresses(target.host, target.port)
    report.address = format_address(addresses[0][1])
    stream = await log.timed(
        "quic",
        http3.handshake(addresses, target, options, progress),
        lambda found: f"{found.peer} {found.cipher}",
        progress,
    )

    async def opening() -> Opened:
        request = http2.handshake_for(target, options)
        line = f"CONNECT {target.path_and_query} HTTP/3"
        log.asks(line, request.request_headers, request.pseudo_headers)
        return Opened(stream, *await http3.extended_connect(stream, request, facts, progress))

    try:
        report.address, report.http2 = stream.peer, facts
        report.tls = http3.tls_facts(stream, options)
        progress = log.progress()
        settings = http3.settings(stream, facts, progress)
        await log.timed("settings", settings, lambda _: _settings_of(facts), progress)
        progress = log.progress()
        return await _upgraded(log, opening(), progress)
    except BaseException:
        stream.close()
        raise


async def _upgraded(log: PhaseLog, opening: Awaitable[Opened], progress: Progress) -> Opened:
    """The `upgrade` phase, whichever HTTP it is."""

    async def noted() -> Opened:
        opened = await opening
        log.opened(opened.accepted)
        return opened

    def status(opened: Opened) -> str:
        response = opened.accepted.response
        return f"{response.status} {response.reason}".strip()

    return await log.timed("upgrade", noted(), status, progress)


def _settings_of(facts: Http2Facts) -> str:
    return ", ".join(f"{name} {value}" for name, value in facts.settings or ())
