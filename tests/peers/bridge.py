"""A container host as Docker makes one: a bridge, a container on it by a veth pair, MASQUERADE."""

from __future__ import annotations

from tests.peers.chain import FORGETFUL
from tests.peers.netns import Hosts, run

RULES = """
table ip docker {{
  chain pre {{
    type nat hook prerouting priority -100
    {published}
  }}
  chain post {{
    type nat hook postrouting priority 100
    ip saddr {network}.0/24 oifname != "docker0" masquerade
  }}
}}
"""


class Container:
    """A container on one of `hosts`, `docker0` of which is at NETWORK.1; it is NETWORK.2."""

    def __init__(self, hosts: Hosts, role: str, network: str) -> None:
        self._hosts, self._role, self._network = hosts, role, network
        self._inside = Hosts(("box",))
        self.netns = self._inside.names["box"]
        self.address, self.gateway = f"{network}.2", f"{network}.1"
        try:
            self._wire()
        except BaseException:
            self.remove()
            raise

    def _wire(self) -> None:
        hosts, role = self._hosts, self._role
        hosts.ip(role, "link", "add", "docker0", "type", "bridge")
        hosts.ip(role, "addr", "add", f"{self.gateway}/24", "dev", "docker0")
        hosts.ip(role, "link", "set", "docker0", "up")
        pair = ("type", "veth", "peer", "name", "eth0", "netns", self.netns)
        hosts.ip(role, "link", "add", "veth0", *pair)
        hosts.ip(role, "link", "set", "veth0", "master", "docker0", "up")
        self._inside.ip("box", "addr", "add", f"{self.address}/24", "dev", "eth0")
        self._inside.ip("box", "link", "set", "eth0", "up")
        self._inside.ip("box", "route", "add", "default", "via", self.gateway)
        hosts.exec(role, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
        self.publish()

    def publish(self, port: int | None = None, inside: int = 0) -> None:
        """Hand what comes to the host's `port` to the container's port `inside`."""
        published = f"tcp dport {port} dnat to {self.address}:{inside}" if port else ""
        rules = RULES.format(published=published, network=self._network)
        self._hosts.exec(self._role, "nft", "-f", "-", stdin=f"flush ruleset\n{rules}")

    def forget(self, established_s: int, *, beyond: str) -> None:
        """The host drops what has been idle for so long; `beyond`: its device away from clients."""
        rules = FORGETFUL.format(family="ip", link=beyond, drop="drop")
        self._hosts.exec(self._role, "nft", "-f", "-", stdin=rules)
        for key in ("established", "unacknowledged"):
            name = f"net.netfilter.nf_conntrack_tcp_timeout_{key}"
            self._hosts.exec(self._role, "sysctl", "-qw", f"{name}={established_s}")
        self._hosts.exec(self._role, "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_loose=0")

    def remove(self) -> None:
        """Take the container, its bridge and the host's rules away."""
        self._inside.remove()
        run("ip", "-n", self._hosts.names[self._role], "link", "del", "docker0")
        self._hosts.exec(self._role, "nft", "flush", "ruleset")
