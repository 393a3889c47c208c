"""Connecting to the first address that answers (Happy Eyeballs, RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns
from typing import Any

from wsdiag.transport.dial import failures
from wsdiag.transport.report import Progress
from wsdiag.transport.stream.tcp import Address, format_address, tcp_info

OnConnecting = Callable[[Any], None]
"""Called with an address, as a socket takes it, before a SYN is sent there."""
Failures = list[tuple[Address, OSError]]

ATTEMPT_DELAY_S = 0.25  # RFC 8305, 5: "recommended value … 250 milliseconds"


class RaceLost(Exception):
    """No address could be connected; `failures` tells why, one (address, error) each."""

    def __init__(self, failures: list[tuple[Address, OSError]]) -> None:
        super().__init__(str(failures[0][1]) if failures else "no address to try")
        self.failures = failures


async def connect_one(address: Address) -> socket.socket:
    """A connected, non-blocking TCP or Unix socket. Raises OSError."""
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family != getattr(socket, "AF_UNIX", None):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


async def connect_first(
    addresses: list[Address],
    silent: list[tuple[Address, int]] | None = None,
    on_connecting: OnConnecting | None = None,
    failed: Failures | None = None,
) -> tuple[socket.socket, Address]:
    """Start an attempt every 250 ms, or as soon as one fails; the first to connect wins.

    `silent` gets the addresses that were tried before the winner and had not answered by then, each
    with the ns for which that was so; `failed` those that had failed. Raises RaceLost.
    """
    began: dict[Address, int] = {}
    waiting = list(addresses)
    running: dict[asyncio.Task[socket.socket], Address] = {}
    failed = [] if failed is None else failed
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop(0)
                if on_connecting is not None:
                    on_connecting(address[1])
                began[address] = monotonic_ns()
                if not waiting and not running and not failed:  # the only one: nothing to race
                    try:
                        return await connect_one(address), address
                    except OSError as refusal:
                        raise RaceLost([(address, refusal)]) from refusal
                running[asyncio.create_task(connect_one(address))] = address
            delay = ATTEMPT_DELAY_S if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=delay, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
                    if silent is not None:
                        at = monotonic_ns()
                        earlier = [a for a in running.values() if began[a] < began[address]]
                        silent += [(each, at - began[each]) for each in earlier]
                    return task.result(), address
                if not isinstance(error, OSError):
                    raise error
                failed.append((address, error))
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError, OSError):
                (await task).close()
    raise RaceLost(failed)


async def connect(
    addresses: list[Address],
    progress: Progress | None = None,
    on_connecting: OnConnecting | None = None,
) -> tuple[socket.socket, Address]:
    """The `tcp` phase: a socket connected to one of these addresses. Raises DialError.

    Its time is the winner's, from SYN to SYN-ACK; the facts `unanswered` and `refused` have those
    before it that were silent or failed, `tried` and `failed` what is known when it is cut off.
    """
    progress = progress or Progress()
    silent: list[tuple[Address, int]] = []
    failed: Failures = []
    tried: list[str] = []
    progress.facts.update(tried=tried, failed=failed)

    def connecting(where: Any) -> None:
        tried.append(format_address(where))
        if on_connecting is not None:
            on_connecting(where)

    try:
        sock, address = await connect_first(addresses, silent, connecting, failed)
    except RaceLost as lost:
        raise failures.connecting(lost.failures) from lost
    progress.took_ns = _handshake_ns(sock)
    named = tuple((format_address(where), ns / 1e6) for (_, where), ns in silent)
    progress.facts["unanswered"] = named
    progress.facts["refused"] = failures.refused_there(failed)
    return sock, address


def _handshake_ns(sock: socket.socket) -> int | None:
    """From SYN to SYN-ACK, which is TCP's first sample of the round trip.

    None where the kernel does not tell, and after a retransmission: TCP takes no sample from it
    (RFC 6298, 3), and the time until then is part of the handshake.
    """
    info = tcp_info(sock)
    return None if info is None or info.total_retrans else info.rtt_us * 1000 or None


async def connect_unix(path: str) -> socket.socket:
    """The `tcp` phase to a Unix socket. Raises DialError."""
    try:
        return await connect_one((socket.AF_UNIX, path))
    except (OSError, ValueError) as error:
        raise failures.unix_socket(path, error) from error
