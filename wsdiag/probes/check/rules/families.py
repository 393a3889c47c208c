"""Whether a name's addresses of one family work: one by a WebSocket, the others by TCP."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from dataclasses import replace

from wsdiag.probes.check.findings import Finding, failed, passed, skipped, warned
from wsdiag.probes.check.target import CheckTarget
from wsdiag.transport.dial import race, resolve
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.tcp import Address, format_address
from wsdiag.units import counted

_MOST_ADDRESSES = 16
_DEAD_ADDRESS = (
    "Clients that are given that address first wait or fail, now and then: mend what is behind it, "
    "or take it out of DNS."
)


def one_family(target: CheckTarget) -> str:
    """Why there is nothing to compare, or an empty string."""
    options = target.endpoint.dial
    if target.report.proxy is not None:
        return "the proxy chooses the address"
    if options.unix_socket is not None:
        return "a Unix socket"
    if options.family is not None:
        return f"IPv{options.family} was asked for"
    try:
        ipaddress.ip_address(target.url.host.partition("%")[0])
    except ValueError:
        return ""
    return "the URL names an address"


async def family_opens(target: CheckTarget, family: int) -> Finding:
    """Whether a WebSocket opens over IPv4 or 6, and every address of the name takes TCP."""
    try:
        async with target.connection(family=family) as session:
            works = session.report.address if session.report else None
        return await _others(target, family, works or "")
    except DialError as error:
        if error.code in ("dns-no-such-family", "dns-not-found"):
            return skipped(f"no IPv{family} address")
        if error.phase == "dns":
            return skipped(f"whether it has an IPv{family} address is not known ({error.message})")
        if error.code in ("unreachable", "no-such-family"):
            return warned(f"IPv{family} cannot be tried from this machine ({error.message})")
        # localhost's addresses come from this machine's hosts file, not from who runs the endpoint
        is_localhost = f".{target.url.host.lower()}".endswith(".localhost")
        judged = warned if is_localhost else failed
        return judged(f"IPv{family} does not work ({error.message})")


async def _others(target: CheckTarget, family: int, works: str) -> Finding:
    """Whether the name's other addresses of a family take a TCP connection, too."""
    host, port = target.url.host, target.url.port
    try:
        known = resolve.known(host, port, target.endpoint.dial)
        found = known or await resolve.lookup(host, port, family)
    except (OSError, DialError):
        found = []
    wanted = [each for each in found if each[0] == resolve.FAMILIES[family]]
    others = [each for each in wanted if format_address(each[1]) != works][:_MOST_ADDRESSES]
    refusals = await asyncio.gather(*(_refusal(each, target.options.timeout_s) for each in others))
    dead = [said for said in refusals if said is not None]
    if dead:
        which = f"{len(dead)} of its {len(wanted)} addresses cannot be reached"
        told = warned(f"IPv{family} {works} works, and {which} ({'; '.join(dead)})")
        return replace(told, hint=_DEAD_ADDRESS)
    more = f" and {counted(len(others), 'more address', 'more addresses')}" if others else ""
    return passed(f"IPv{family} {works}{more} work{'' if others else 's'}")


async def _refusal(address: Address, timeout_s: float) -> str | None:
    """Why an address takes no TCP connection; None where it does."""
    where = format_address(address[1])
    try:
        async with asyncio.timeout(timeout_s):
            (await race.connect_one(address)).close()
    except TimeoutError:
        return f"{where}: no answer"
    except OSError as error:
        return f"{where}: {os.strerror(error.errno or 0)}"
    return None
