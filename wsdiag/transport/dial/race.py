"""Connecting to the first address that answers (Happy Eyeballs, RFC 8305)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from wsdiag.transport.dial import failures
from wsdiag.transport.stream.tcp import Address

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


async def connect_first(addresses: list[Address]) -> tuple[socket.socket, Address]:
    """Start an attempt every 250 ms, or as soon as one fails; the first to connect wins.

    Raises RaceLost.
    """
    waiting = list(addresses)
    running: dict[asyncio.Task[socket.socket], Address] = {}
    failed: list[tuple[Address, OSError]] = []
    try:
        while waiting or running:
            if waiting:
                address = waiting.pop(0)
                running[asyncio.create_task(connect_one(address))] = address
            delay = ATTEMPT_DELAY_S if waiting else None
            done, _ = await asyncio.wait(
                running, timeout=delay, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = running.pop(task)
                error = task.exception()
                if error is None:
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


async def connect(addresses: list[Address]) -> tuple[socket.socket, Address]:
    """The `tcp` phase: a socket connected to one of these addresses. Raises DialError."""
    try:
        return await connect_first(addresses)
    except RaceLost as lost:
        raise failures.connecting(lost.failures) from lost


async def connect_unix(path: str) -> socket.socket:
    """The `tcp` phase to a Unix socket. Raises DialError."""
    try:
        return await connect_one((socket.AF_UNIX, path))
    except (OSError, ValueError) as error:
        raise failures.unix_socket(path, error) from error
