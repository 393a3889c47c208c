"""A throw-away certificate authority and the certificates that TLS peers present."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Cert:
    """A certificate chain and its private key, as PEM files."""

    cert: Path
    key: Path

    @property
    def bundle(self) -> Path:
        """Chain and key in one file, as HAProxy wants them."""
        path = self.cert.with_suffix(".bundle.pem")
        path.write_bytes(self.cert.read_bytes() + self.key.read_bytes())
        return path


class Authority:
    """A CA in a directory of its own; `pem` is what `--cacert` takes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self._made = 0
        self.pem = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.pem))

    def cert(self, *names: str, expired: bool = False, days: int | None = None) -> Cert:
        """A certificate for `names` (default: localhost and the loopback addresses).

        `days`: for so many from now on, not as long as the authority's.
        """
        self._made += 1
        days = -2 if expired else days
        ends = None if days is None else datetime.now(UTC) + timedelta(days=days)
        issued = self._ca.issue_cert(*(names or NAMES), not_after=ends)
        made = Cert(
            self._directory / f"cert{self._made}.pem", self._directory / f"cert{self._made}.key"
        )
        made.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(made.key))
        return made
