"""Namespaces in a row: a client, routers, a server; each router may translate, forget or be silent.

Link k joins node k-1 and node k; its near end is 10.9.k.1 (fd09:k::1), its far end 10.9.k.2, so
that hop k of the client's answers as 10.9.k.2.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from tests.peers.netns import Hosts, entered
from tests.peers.tools import require_tool


def near(link: int, version: int = 4) -> str:
    return f"10.9.{link}.1" if version == 4 else f"fd09:{link}::1"


def far(link: int, version: int = 4) -> str:
    return f"10.9.{link}.2" if version == 4 else f"fd09:{link}::2"


NAT = """
table ip nat {{
  chain post {{
    type nat hook postrouting priority 100
    oifname "l{out}" masquerade
  }}
}}
"""
# What conntrack does not know is dropped, without being picked up again; a translated flow's packet
# from the far side is addressed to the router itself once it is forgotten.
FORGETFUL = """
table {family} forget {{
  chain pass {{
    type filter hook forward priority 0
    meta l4proto tcp ct state invalid {drop}
    meta l4proto tcp ct state new tcp flags & (syn|ack|rst|fin) != syn {drop}
  }}
  chain local {{
    type filter hook input priority 0
    iifname "{link}" meta l4proto tcp drop
  }}
}}
"""


class Chain:
    """`routers` routers in a row; the client finds the server at `server_address`."""

    def __init__(self, routers: int, *, version: int = 4) -> None:
        self._nft, self._sysctl = require_tool("nft"), require_tool("sysctl")
        self.routers, self.version = routers, version
        last = routers + 1
        self.roles = ["c", *(f"r{k}" for k in range(1, last)), "s"]
        self.hosts = Hosts(self.roles)
        self.client_ns, self.server_ns = self.hosts.names["c"], self.hosts.names["s"]
        self.server_address = far(last, version)
        try:
            self._wire(last)
        except BaseException:
            self.remove()
            raise

    def _wire(self, last: int) -> None:
        hosts, size = self.hosts, 24 if self.version == 4 else 64
        for k in range(1, last + 1):
            left, right = self.roles[k - 1], self.roles[k]
            ends = (
                (left, f"{near(k, self.version)}/{size}"),
                (right, f"{far(k, self.version)}/{size}"),
            )
            hosts.link(*ends, f"l{k}")
            if self.version == 6:
                for role, (_, address) in zip((left, right), ends, strict=True):
                    hosts.ip(role, "addr", "del", address, "dev", f"l{k}")
                    hosts.ip(role, "addr", "add", address, "dev", f"l{k}", "nodad")
        for k in range(1, last):
            self.sysctl(k, "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for k, role in enumerate(self.roles):
            hosts.exec(role, self._sysctl, "-qw", "net.ipv4.conf.all.rp_filter=0")
            if k < last:  # onwards by default, and back by one route a link
                hosts.ip(role, "route", "add", "default", "via", far(k + 1, self.version))
            for link in range(1, k):
                prefix = f"10.9.{link}.0/24" if self.version == 4 else f"fd09:{link}::/64"
                hosts.ip(role, "route", "add", prefix, "via", near(k, self.version))

    def sysctl(self, router: int, *settings: str) -> None:
        self.hosts.exec(f"r{router}", self._sysctl, "-qw", *settings)

    def rules(self, router: int, text: str) -> None:
        """Load nftables rules into a router."""
        self.hosts.exec(f"r{router}", self._nft, "-f", "-", stdin=text)

    def flush(self, router: int) -> None:
        """Take a router's rules away."""
        self.hosts.exec(f"r{router}", self._nft, "flush", "ruleset")

    def answer_all(self) -> None:
        """Routers answer as often as they are asked: the kernel's limit is one ICMP a second."""
        for k in range(1, self.routers + 1):
            self.sysctl(k, "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")

    def translate(self, router: int) -> None:
        """Masquerade what leaves the router towards the server."""
        self.rules(router, NAT.format(out=router + 1))

    def forget(
        self, router: int, established_s: int, *, reset: bool = False, refuse: bool = False
    ) -> None:
        """A router that drops, resets, or refuses by ICMP, what has been idle for so long."""
        drop = "reject with tcp reset" if reset else "reject" if refuse else "drop"
        family = "ip" if self.version == 4 else "ip6"
        self.rules(router, FORGETFUL.format(family=family, link=f"l{router + 1}", drop=drop))
        self.sysctl(
            router,
            "net.netfilter.nf_conntrack_tcp_loose=0",
            f"net.netfilter.nf_conntrack_tcp_timeout_established={established_s}",
            f"net.netfilter.nf_conntrack_tcp_timeout_unacknowledged={established_s}",
        )

    def silence(self, router: int) -> None:
        """A router that sends no ICMP errors."""
        self.rules(
            router,
            "table inet silent { chain out { type filter hook output priority 0\n"
            "icmp type time-exceeded drop\nicmpv6 type time-exceeded drop\n}\n}\n",
        )

    def every_other(self, router: int) -> None:
        """A router that answers every other time."""
        self.rules(
            router,
            "table inet half { chain out { type filter hook output priority 0\n"
            "icmp type time-exceeded numgen inc mod 2 == 0 drop\n}\n}\n",
        )

    def in_client(self) -> AbstractContextManager[None]:
        """This thread's new sockets are the client's."""
        return entered(self.client_ns)

    def remove(self) -> None:
        """Take the namespaces away."""
        self.hosts.remove()
