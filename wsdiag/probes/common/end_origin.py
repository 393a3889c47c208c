"""Whose packet ended a connection: the peer's, or another machine's that speaks in its name.

Known only with CAP_NET_RAW, and not asked on this machine itself. Where it is not known nothing is
said, and nothing is imported.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from wsdiag.judgement.hops import other_sender
from wsdiag.records import Drop, Error
from wsdiag.records.base import OtherSender
from wsdiag.transport.dial.target import Target, UrlError, is_loopback
from wsdiag.units import counted

if TYPE_CHECKING:
    from wsdiag.transport.path.capture import HopLimits
    from wsdiag.transport.path.hop_distance import EndWatch

_CAP_NET_RAW = 13
_ENDS = {"rst": "rst", "rst-on-write": "rst", "fin": "fin", "tls-eof": "fin"}


class EndOrigin:
    """Watches one connection after the other; a dial tells of them."""

    def __init__(self, url: str, *, look: bool = True) -> None:
        """`look`: False looks at no packet, allowed or not."""
        self._watch: EndWatch | None = None
        self._tried: dict[str, EndWatch] = {}
        """Before it is known which address answers."""
        self._allowed = look and may_see_packets() and not is_loopback_url(url)
        if self._allowed:  # before a clock runs
            from wsdiag.transport.path import hop_distance  # noqa: F401

    def connecting(self, peer: tuple[Any, ...]) -> None:
        """A SYN is about to be sent."""
        address = str(peer[0]).partition("%")[0]
        if not self._allowed or address in self._tried or ip_address(address).is_loopback:
            return
        from wsdiag.transport.path.hop_distance import EndWatch

        with suppress(OSError):
            self._tried[address] = EndWatch((address, int(peer[1])))

    def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
        """TCP is connected, and nothing was sent yet."""
        watch = self._tried.pop(str(peer[0]).partition("%")[0], None)
        self.close()
        if watch is not None:
            watch.connected(local)
            self._watch = watch

    def explain(self, drop: Drop) -> Drop:
        """The drop, with where its packet came from if that was not the peer."""
        if self._watch is None:
            return drop
        self._watch.read()
        return with_origin(drop, self._watch.limits)

    def explain_error(self, error: Error) -> Error:
        """The failure of a dial that a RST ended, with where that came from if not the peer."""
        if self._watch is None:
            return error
        self._watch.read()
        limits = self._watch.limits
        sender = _injector(limits) if limits.end == "rst" else None
        if sender is None:
            return error
        return replace(error, message=f"{error.message}; {origin_words('rst', sender)}")

    def close(self) -> None:
        """Stop watching. Harmless when repeated."""
        for watch in (self._watch, *self._tried.values()):
            if watch is not None:
                watch.close()
        self._watch = None
        self._tried.clear()


def with_origin(drop: Drop, limits: HopLimits) -> Drop:
    """The drop, with where the packet came from that ended the connection, if it was injected."""
    if limits.end is None or _ENDS.get(drop.how) != limits.end:
        return drop
    sender = _injector(limits)
    if sender is None:
        return drop
    detail = "; ".join(filter(None, (drop.detail, origin_words(limits.end, sender))))
    return replace(drop, sent_from=sender, detail=detail)


def _injector(limits: HopLimits) -> OtherSender | None:
    """Who ended the connection, if that is nearer than the peer.

    From farther away proves nothing: a load balancer or a SYN proxy may have answered at first, and
    the machine behind it ends what it does not know.
    """
    found = other_sender(limits.end_hop_limit, limits.usual)
    if found is None or found.hops > found.usual_hops:
        return None
    return OtherSender(found.hops, found.usual_hops)


def origin_words(kind: str, sender: OtherSender) -> str:
    """`the RST passed 1 router, the endpoint's packets pass 4: injected on the way`."""
    passed, pass_ = counted(sender.hops, "router"), sender.usual_hops
    return (
        f"the {kind.upper()} passed {passed}, the endpoint's packets {pass_}: injected on the way"
    )


def is_loopback_url(url: str) -> bool:
    """Whether a URL names this machine."""
    try:
        return is_loopback(Target.parse(url).host)
    except UrlError:
        return False


def may_see_packets() -> bool:
    """Whether this process has CAP_NET_RAW (Linux, capabilities(7)); costs no socket."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("CapEff:"):
                    return bool(int(line.split()[1], 16) >> _CAP_NET_RAW & 1)
    except (OSError, ValueError):
        pass
    return False
