"""From a host to the addresses to try, in the order to try them."""

from __future__ import annotations

import asyncio
import socket
import threading
from itertools import chain, zip_longest
from time import monotonic

from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.tcp import Address

FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


def _node(host: str) -> str | bytes:
    """`host` for getaddrinfo: bytes where Python need not load its tables of other alphabets."""
    labels = host.removesuffix(".").split(".")
    plain = host.isascii() and all(0 < len(label) < 64 for label in labels)  # RFC 1035, 2.3.4
    return host.encode() if plain else host


def literal(host: str, port: int) -> list[Address]:
    """The address that `host` is itself (a zone included); [] when it is a name.

    Raises OSError for a zone that this machine does not have.
    """
    host, percent, zone = host.removesuffix(".").partition("%")
    try:
        found = socket.getaddrinfo(
            _node(host), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (OSError, UnicodeError):
        return []
    if percent:
        # by hand: glibc takes a zone's name with link-local addresses only
        scope = int(zone) if zone.isascii() and zone.isdecimal() else socket.if_nametoindex(zone)
        return [(family, (*address[:3], scope)) for family, _, _, _, address in found]
    return [(family, address) for family, _, _, _, address in found]


def known(host: str, port: int, options: DialOptions) -> list[Address]:
    """Addresses that need no lookup: those of --resolve, or of `host` as an address itself.

    [] when there are none. Raises DialError for a zone or an address family that is not available.
    """
    try:
        found = [
            address
            for name, at_port, text in options.resolve
            if name.lower().removesuffix(".") in (host.lower().removesuffix("."), "*")
            and at_port == port
            for address in literal(text.strip("[]"), port)
        ] or literal(host, port)
    except OSError as error:
        raise failures.no_such_zone(host, error) from error
    wanted = FAMILIES[options.family]
    kept = [each for each in found if wanted in (socket.AF_UNSPEC, each[0])]
    if found and not kept:
        raise failures.no_address_of(options.family, host)
    return kept


async def resolve_name(host: str, port: int, options: DialOptions) -> list[Address]:
    """The `dns` phase: the addresses of a name, in the order to try them. Raises DialError."""
    began_s = monotonic()
    try:
        return await lookup(host, port, options.family)
    except (OSError, UnicodeError) as error:
        failure = failures.name_resolution(host, error, options, monotonic() - began_s)
        if failure.code in ("dns-not-found", "dns-no-address"):
            failure = await _looked_at_again(host, port, options, failure)
        raise failure from error


async def _looked_at_again(
    host: str, port: int, options: DialOptions, failure: DialError
) -> DialError:
    """Whether a name that was not found has addresses of the other family, or exists without any.

    The C library tells of the last search domain that it tried, not of the name itself: asked for
    with a dot at its end, it is looked up alone.
    """
    if options.family is not None and await _refusal(host, port) is None:
        return failures.no_address_of(options.family, host)
    if failure.code == "dns-not-found" and "." in host and not host.endswith("."):
        refusal = await _refusal(f"{host}.", port)
        if refusal is not None:
            alone = failures.name_resolution(host, refusal, options)
            return failure if alone.code == failure.code else alone
    return failure


async def _refusal(host: str, port: int) -> OSError | UnicodeError | None:
    """What the resolver says of a name; None: it has addresses."""
    try:
        await lookup(host, port, None)
    except (OSError, UnicodeError) as error:
        return error
    return None


async def lookup(host: str, port: int, family: int | None) -> list[Address]:
    """Ask the system's resolver, families interleaved (RFC 8305, 4). Raises socket.gaierror.

    In a thread of its own: a resolver that hangs must not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    node = _node(host)
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def deliver(found: list[Address] | OSError | UnicodeError) -> None:
        if answer.done():
            return
        if isinstance(found, list):
            answer.set_result(found)
        else:
            answer.set_exception(found)

    def ask() -> None:
        outcome: list[Address] | OSError | UnicodeError
        try:
            found = socket.getaddrinfo(node, port, family=FAMILIES[family], type=socket.SOCK_STREAM)
            outcome = [(kind, address) for kind, _, _, _, address in found]
        except (OSError, UnicodeError) as error:
            outcome = error
        try:
            loop.call_soon_threadsafe(deliver, outcome)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    return interleave(await answer)


def interleave(addresses: list[Address]) -> list[Address]:
    """Families in turn, beginning with the one the resolver put first; no address twice."""
    unique = list(dict.fromkeys(addresses))
    first = [address for address in unique if address[0] == unique[0][0]]
    other = [address for address in unique if address[0] != unique[0][0]]
    pairs = chain.from_iterable(zip_longest(first, other))
    return [address for address in pairs if address is not None]
