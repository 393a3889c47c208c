"""From a target to a stream that reaches it: names, TCP or a Unix socket, a proxy, TLS."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from wsdiag.transport.dial import race, resolve
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.phase_log import PhaseLog
from wsdiag.transport.dial.proxy import Proxy, choose
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, Progress
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.tcp import Address, format_address, local_of

SecondLook = Callable[[], Coroutine[Any, Any, DialError | None]]
"""What else is spoken on a port that is silent under TLS; None: nothing that is known."""


class TcpWatcher(Protocol):
    """Who is told of the TCP connections of a dial, those to proxies included."""

    def connecting(self, peer: tuple[Any, ...]) -> None:
        """A SYN is about to be sent to an address; several may be tried at a time."""

    def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
        """TCP is connected between our (address, port) and an address; nothing was sent yet."""


async def _find_nothing() -> DialError | None:
    return None


class Connector:
    """Connects to one target, as often as is asked for; the phases are `log`'s."""

    def __init__(
        self,
        target: Target,
        options: DialOptions,
        log: PhaseLog,
        *,
        timestamps: bool = False,
        watcher: TcpWatcher | None = None,
        second_look: SecondLook = _find_nothing,
    ) -> None:
        self.target, self.options, self.log = target, options, log
        self._timestamps, self._watcher = timestamps, watcher
        self._second_look = second_look

    async def open(self) -> Stream:
        """A stream to the target, encrypted where its scheme says so. Raises DialError."""
        stream = await self.connect()
        try:
            if self.target.secure:
                await self._start_tls(stream)
        except BaseException:
            stream.close()
            raise
        return stream

    async def connect(self) -> Stream:
        """A stream that reaches the target: directly, by a Unix socket, or through a proxy."""
        target, options, report = self.target, self.options, self.log.report
        if options.unix_socket is not None:
            report.address = path = options.unix_socket
            sock = await self.log.timed("tcp", race.connect_unix(path), lambda _: path)
            return Stream(sock, peer=path)
        proxy, report.proxy_why = choose(target, options, os.environ)
        if proxy is None:
            return self._stream(await self._tcp(target.host, target.port))
        report.proxy = proxy.url
        from wsdiag.transport.dial import tunnel

        host = target.host
        context = tunnel.client_context(proxy, options)
        if proxy.is_socks:
            tunnel.require_socks(host, options)
            if not proxy.resolves_names:
                _, address = (await self.addresses(host, target.port))[0]
                host = str(address[0])
        sock = await self._tcp(proxy.host, proxy.port)
        way = proxy.scheme if proxy.is_socks else "CONNECT"
        return await self.log.timed(
            "proxy",
            self._tunnel(sock, proxy, host, context),
            lambda _: f"{way} {host}:{target.port} through {proxy.url} (named by {proxy.why})",
        )

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of a name, in the order to try them."""
        return resolve.known(host, port, self.options) or await self.log.timed(
            "dns",
            resolve.resolve_name(host, port, self.options),
            lambda found: ", ".join(format_address(address) for _, address in found),
        )

    async def _tcp(self, host: str, port: int) -> socket.socket:
        addresses = await self.addresses(host, port)
        report = self.log.report
        if len(addresses) == 1:
            report.address = format_address(addresses[0][1])
        bypass = f" (no proxy: {report.proxy_why})" if report.proxy_why and not report.proxy else ""
        progress, watcher = Progress(), self._watcher
        try:
            sock, (_, address) = await self.log.timed(
                "tcp",
                race.connect(addresses, progress, None if watcher is None else watcher.connecting),
                lambda found: format_address(found[1][1]) + _tried_before(progress) + bypass,
                progress,
            )
        except DialError as error:
            report.address = error.facts["address"]
            raise
        report.address = format_address(address)
        report.unanswered = progress.facts.get("unanswered", ())
        report.refused = progress.facts.get("refused", ())
        if watcher is not None and isinstance(address, tuple):
            watcher.connected(local_of(sock), address)
        return sock

    async def _tunnel(
        self, sock: socket.socket, proxy: Proxy, host: str, context: ssl.SSLContext | None
    ) -> Stream:
        from wsdiag.transport.dial import tunnel

        if proxy.is_socks:
            return self._stream(await tunnel.connect_socks(sock, proxy, host, self.target.port))
        stream = self._stream(sock)
        try:
            if context is not None:
                await tunnel.start_tls(stream, proxy, context)
            connect = tunnel.ConnectRequest(proxy, self.target)
            self.log.sent(connect.first_line, connect.headers)
            self.log.received(await tunnel.connect(stream, connect))
        except BaseException:
            stream.close()
            raise
        return stream

    async def _start_tls(self, stream: Stream) -> None:
        from wsdiag.transport.dial import secure

        context, progress = secure.client_context(self.options), Progress()
        try:
            self.log.report.tls = await self.log.timed(
                "tls",
                secure.start_tls(
                    stream, self.target, self.options, context, self._second_look, progress
                ),
                lambda tls: f"{tls.version} {tls.cipher}",
                progress,
            )
        finally:
            shown = ("certificate_request", "own_certificate")
            self.log.tls_facts = {name: progress.facts.get(name, "") for name in shown}

    def _stream(self, sock: socket.socket) -> Stream:
        return Stream(sock, peer=self.log.report.address or "", timestamps=self._timestamps)


def _tried_before(progress: Progress) -> str:
    """The addresses that were tried before the one that answered."""
    facts = progress.facts
    said = [f"{each} did not answer for {ms:.0f} ms" for each, ms in facts.get("unanswered", ())]
    said += [f"{each}: {why}" for each, why in facts.get("refused", ())]
    return f" ({', '.join(said)})" if said else ""
