"""What a test knows of a running server or proxy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.peers.process import Daemon


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens; `url` has no path."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Address:
        """The address in a ws:// or wss:// URL with a port."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port, parts.scheme == "wss")

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


@dataclass(frozen=True, slots=True)
class Peer(Address):
    """A listening server or proxy, and the process behind it."""

    daemon: Daemon

    @property
    def pid(self) -> int:
        """The process id."""
        return self.daemon.pid

    @property
    def log(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self.daemon.log

    @property
    def lateness(self) -> list[tuple[float, float]]:
        """When it did not run, (since, until) in Unix time, where its program notes that."""
        whole, _, _ = self.log.rpartition("\n")  # the line behind it is being written
        notes = (json.loads(line) for line in whole.splitlines() if line.startswith('{"late"'))
        return [(note["late"][0], note["late"][1]) for note in notes]

    def stop(self) -> None:
        """End it now; otherwise the fixture does."""
        self.daemon.stop()
