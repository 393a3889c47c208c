"""What a test knows of a running server or proxy."""

from __future__ import annotations

from dataclasses import dataclass

from tests.peers.process import Daemon


@dataclass(frozen=True, slots=True)
class Peer:
    """A listening server or proxy; `url` has no path."""

    host: str
    port: int
    tls: bool
    daemon: Daemon

    @property
    def authority(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The ws:// or wss:// URL."""
        return f"{'wss' if self.tls else 'ws'}://{self.authority}"

    @property
    def http_url(self) -> str:
        """The same place as http:// or https://."""
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self.daemon.pid

    @property
    def log(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self.daemon.log

    def stop(self) -> None:
        """End it now; otherwise the fixture does."""
        self.daemon.stop()
