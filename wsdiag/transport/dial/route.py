"""The way to an endpoint up to an open byte stream: names, TCP, a Unix socket, or a proxy."""

from __future__ import annotations

import os
import socket

from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import Proxy, choose
from wsdiag.transport.dial.race import RaceLost, connect_first, connect_one
from wsdiag.transport.dial.report import DialReport, PhaseClock
from wsdiag.transport.dial.resolve import Address, format_address, literal, lookup, overridden
from wsdiag.transport.dial.target import Target
from wsdiag.transport.stream.stream import Stream


class Route:
    """One way to one target; its phases go into `report` as `clock` times them."""

    def __init__(
        self, target: Target, options: DialOptions, report: DialReport, clock: PhaseClock
    ) -> None:
        self._target, self._options = target, options
        self._report, self._clock = report, clock

    async def open(self, *, timestamps: bool) -> Stream:
        """A stream that reaches the target. DialError."""
        if self._options.unix_socket is not None:
            return await self._unix(self._options.unix_socket)
        proxy = choose(self._target, self._options, os.environ, self._report)
        if proxy is None:
            addresses = await self._addresses(self._target.host, self._target.port)
            return self._stream(await self._tcp(addresses), timestamps)
        from wsdiag.transport.dial import tunnel as proxying

        self._report.proxy, self._report.proxy_why = proxy.url, proxy.why
        if proxy.is_socks:
            return await self._socks(proxy, timestamps)
        context = proxying.tls_context(proxy, self._options, self._report)
        sock = await self._tcp(await self._addresses(proxy.host, proxy.port))
        self._clock.begin("proxy")
        stream = self._stream(sock, timestamps)
        try:
            await proxying.connect(stream, proxy, self._target, self._report, context)
        except BaseException:
            stream.close()
            raise
        self._through(proxy, f"CONNECT {self._target.host}:{self._target.port}")
        return stream

    def _through(self, proxy: Proxy, what: str) -> None:
        self._clock.end(f"{what} through {proxy.url} (named by {proxy.why})")

    async def _unix(self, path: str) -> Stream:
        self._clock.begin("tcp")
        self._report.address = path
        try:
            sock = await connect_one((socket.AF_UNIX, path))
        except (OSError, ValueError) as error:
            raise failures.unix_socket(path, error, self._report) from error
        self._clock.end(path)
        return Stream(sock, peer=path)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            given = overridden(host, port, self._options) or literal(host, port)
        except OSError as error:
            raise failures.no_such_zone(host, error, self._report) from error
        if given:
            return failures.of_family(given, self._options.family, host, self._report)
        self._clock.begin("dns")
        try:
            found = await lookup(host, port, self._options.family)
        except (OSError, UnicodeError) as error:
            raise failures.name_resolution(host, error, self._options, self._report) from error
        self._clock.end(", ".join(format_address(address) for _, address in found))
        return found

    async def _tcp(self, addresses: list[Address]) -> socket.socket:
        self._clock.begin("tcp")
        if len(addresses) == 1:
            self._report.address = format_address(addresses[0][1])
        try:
            sock, (_, address) = await connect_first(addresses)
        except RaceLost as lost:
            raise failures.connecting(lost.failures, self._report) from lost
        self._report.address = format_address(address)
        why = self._report.proxy_why if self._report.proxy is None else None
        self._clock.end(self._report.address + (f" (no proxy: {why})" if why else ""))
        return sock

    def _stream(self, sock: socket.socket, timestamps: bool) -> Stream:
        return Stream(sock, peer=self._report.address or "", timestamps=timestamps)

    async def _socks(self, proxy: Proxy, timestamps: bool) -> Stream:
        """Through a SOCKS5 proxy; with socks5:// we look the name up, with socks5h:// it does."""
        from wsdiag.transport.dial import tunnel as proxying

        proxying.require_socks(self._report)
        host = self._target.host
        if not proxy.resolves_names:
            _, where = (await self._addresses(host, self._target.port))[0]
            host = str(where[0])
        sock = await self._tcp(await self._addresses(proxy.host, proxy.port))
        self._clock.begin("proxy")
        try:
            sock = await proxying.socks(sock, proxy, host, self._target.port, self._report)
        except BaseException:
            sock.close()
            raise
        self._through(proxy, f"{proxy.scheme} {host}:{self._target.port}")
        return self._stream(sock, timestamps)
