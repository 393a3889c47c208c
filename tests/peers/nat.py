"""A real NAT: Linux conntrack with masquerading between a client's and a server's namespace.

A flow without a segment for `established_s` seconds is forgotten. What happens to its next segment
is the `on_unknown` of the router:

* `drop`: silent for ever, the client's own FIN included
* `reset`: silent until written to, then RST
* `pickup`: Linux's default, the client's own next segment makes the flow known again
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

from tests.peers.netns import Hosts, entered
from tests.peers.tools import require_tool

OnUnknown = Literal["drop", "reset", "pickup"]
CLIENT, ROUTER_IN = "10.98.1.2", "10.98.1.1"
SERVER, ROUTER_OUT = "10.98.2.2", "10.98.2.1"

# A forgotten flow's packet from the server is addressed to the router, whose kernel would say RST.
RULES = """
table ip wsdiag {{
  chain post {{
    type nat hook postrouting priority 100
    oifname "out" masquerade
  }}
  chain local {{
    type filter hook input priority 0
    iifname "out" ip protocol tcp drop
  }}
  chain pass {{
    type filter hook forward priority 0
    {loss}
    {unknown}
  }}
}}
"""
UNKNOWN = {
    "drop": "ct state invalid drop",
    "reset": 'iifname "in" ct state invalid reject with tcp reset\n    ct state invalid drop',
    "pickup": "",
}


class Nat:
    """Client, router and server namespaces; the client finds the server at `server_address`."""

    def __init__(self, *, established_s: int, on_unknown: OnUnknown, loss_pct: int = 0) -> None:
        self._nft = require_tool("nft")
        require_tool("conntrack")
        self._on_unknown = on_unknown
        self._hosts = Hosts(("c", "r", "s"))
        self.client_ns = self._hosts.names["c"]
        self.router_ns = self._hosts.names["r"]
        self.server_ns = self._hosts.names["s"]
        self.server_address = SERVER
        try:
            self._wire()
            self._load(loss_pct)
            self.set_established(established_s)
        except BaseException:
            self.remove()
            raise

    def _wire(self) -> None:
        hosts = self._hosts
        hosts.link(("r", f"{ROUTER_IN}/24"), ("c", f"{CLIENT}/24"), "in")
        hosts.link(("r", f"{ROUTER_OUT}/24"), ("s", f"{SERVER}/24"), "out")
        hosts.ip("c", "route", "add", "default", "via", ROUTER_IN)
        # The server has no way back but through the NAT's own address.
        hosts.exec("r", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _load(self, loss_pct: int) -> None:
        some = f"numgen random mod 100 < {loss_pct} drop" if loss_pct else ""
        loss = "drop" if loss_pct >= 100 else some  # nft refuses a comparison that is always true
        rules = RULES.format(loss=loss, unknown=UNKNOWN[self._on_unknown])
        # One transaction: flows in progress keep their translation while the rules are swapped.
        swap = "table ip wsdiag\ndelete table ip wsdiag\n" + rules
        self._hosts.exec("r", self._nft, "-f", "-", stdin=swap)
        loose = "1" if self._on_unknown == "pickup" else "0"
        self._hosts.exec("r", "sysctl", "-qw", f"net.netfilter.nf_conntrack_tcp_loose={loose}")

    def set_established(self, seconds: int) -> None:
        """After how long without a segment a flow is forgotten; for flows touched from now on."""
        key = "net.netfilter.nf_conntrack_tcp_timeout_established"
        self._hosts.exec("r", "sysctl", "-qw", f"{key}={seconds}")

    def set_loss(self, percent: int) -> None:
        """Lose this share of the forwarded packets, at random, from now on."""
        self._load(percent)

    def flush(self) -> None:
        """Forget every flow now, as a router that restarts does."""
        self._hosts.exec("r", "conntrack", "-F")

    def in_client(self) -> AbstractContextManager[None]:
        """This thread's new sockets are the client's."""
        return entered(self.client_ns)

    def remove(self) -> None:
        """Take the namespaces away."""
        self._hosts.remove()
