"""Options and facts of TLS as plain values: cheap to import where no TLS is spoken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """Whom to trust and what to show, named as in curl(1)."""

    insecure: bool = False
    cacert: Path | None = None
    """A PEM file or a folder of hashed certificates."""
    cert: Path | None = None
    key: Path | None = None
    key_password: str | None = None
    tls_min: str | None = None
    tls_max: str | None = None
    sni: str | None = None

    @property
    def alpn(self) -> tuple[str, ...]:
        """What to offer by ALPN (RFC 7301), most wanted first."""
        return ("http/1.1",)


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One certificate of the chain that the server presented."""

    subject: Annotated[str, "The name in the certificate"]
    issuer: Annotated[str, "The name of the authority that signed it"]
    not_before: Annotated[str, "Start of its validity, RFC 3339"]
    not_after: Annotated[str, "End of its validity, RFC 3339"]


class TlsFacts(NamedTuple):
    """What TLS negotiated and the certificate's facts; dates are RFC 3339, None: unreadable."""

    version: str | None
    cipher: str | None
    alpn: str | None
    subject: str | None
    issuer: str | None
    sans: tuple[str, ...]
    not_before: str | None
    not_after: str | None
    expires_in_days: int | None
    verified: bool
    purposes: tuple[str, ...] = ()
    """The certificate's extended key usages; () for any."""
    issuer_url: str | None = None
    """Where the certificate says that its issuer's is published."""
    chain: tuple[ChainLink, ...] | None = None
    """As presented, the server's own first; None where this Python does not tell."""
