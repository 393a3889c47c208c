"""A long line on one machine: two namespaces, a TUN device in each, a router process between them.

Delay, loss and a bottleneck with a queue act on IP packets, so TCP's own round trip sees them too
(a relay in user space would hide them from TCP). Needs no netem in the kernel.
"""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager
from pathlib import Path

from tests.peers.netns import Hosts, entered
from tests.peers.process import Daemon
from tests.peers.servers import python_program
from tests.peers.tools import missing

CLIENT, SERVER = "10.99.1.2", "10.99.1.3"


class Wan:
    """Namespaces `client_ns` and `server_ns`; one-way delay in ms, loss in %, rate in kbit/s."""

    def __init__(
        self,
        directory: Path,
        *,
        delay_ms: float,
        loss_pct: float,
        rate_kbit: float | None,
        queue_kbytes: int,
    ) -> None:
        if not Path("/dev/net/tun").exists():
            missing("there is no /dev/net/tun (the kernel's TUN driver)")
        self._settings = directory / "line.json"
        self._hosts = Hosts(("c", "s"))
        self.client_ns = self._hosts.names["c"]
        self.server_ns = self._hosts.names["s"]
        self.server_address = SERVER
        self._now = {
            "delay_s": delay_ms / 1000,
            "loss": loss_pct / 100,
            "bytes_s": rate_kbit * 125 if rate_kbit else None,
            "queue": queue_kbytes * 1024,
        }
        self._write()
        self._router: Daemon | None = None
        try:
            self._start(directory)
        except BaseException:
            self.remove()
            raise

    def _start(self, directory: Path) -> None:
        argv = python_program("line.py", self.client_ns, self.server_ns, str(self._settings))
        self._router = Daemon(argv, directory / "line.log")
        router = self._router
        router.wait_until(lambda: "ready" in router.log, "the line was up")
        for role, own, other in (("c", CLIENT, SERVER), ("s", SERVER, CLIENT)):
            self._hosts.ip(role, "addr", "add", own, "peer", other, "dev", "line")
            self._hosts.ip(role, "link", "set", "line", "up", "mtu", "1500")

    def _write(self) -> None:
        fresh = self._settings.with_suffix(".new")
        fresh.write_text(json.dumps(self._now))
        os.replace(fresh, self._settings)

    def set(
        self,
        *,
        delay_ms: float | None = None,
        loss_pct: float | None = None,
        rate_kbit: float | None = None,
    ) -> None:
        """Change the line while it carries traffic; takes hold within 50 ms."""
        if delay_ms is not None:
            self._now["delay_s"] = delay_ms / 1000
        if loss_pct is not None:
            self._now["loss"] = loss_pct / 100
        if rate_kbit is not None:
            self._now["bytes_s"] = rate_kbit * 125
        self._write()

    def in_client(self) -> AbstractContextManager[None]:
        """This thread's new sockets are the client's."""
        return entered(self.client_ns)

    def remove(self) -> None:
        """Stop the router and take the namespaces away."""
        if self._router is not None:
            self._router.stop()
        self._hosts.remove()
