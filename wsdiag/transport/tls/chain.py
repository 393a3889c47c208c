"""The chain of certificates as the peer presented it, and where it breaks."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from wsdiag.transport.tls import x509
from wsdiag.transport.tls.values import ChainLink

Shape = Literal["alone", "rooted", "open", "unrelated"]


def presented(tls: ssl.SSLObject) -> tuple[ChainLink, ...] | None:
    """The certificates the peer sent, in its order; None where this Python does not tell.

    Public since Python 3.13; before, CPython has the same under a private name since 3.10.
    """
    ask: Any = getattr(tls, "get_unverified_chain", None)
    if ask is None:
        ask = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if ask is None:
        return None
    try:
        # bytes since 3.13; objects that know their own encoding (1 is PEM, 2 is DER) before
        return tuple(
            link(x509.parse(each if isinstance(each, bytes) else bytes(each.public_bytes(2))))
            for each in ask() or ()
        )
    except (x509.CertificateError, TypeError, AttributeError, ValueError):
        return None


def link(certificate: x509.Certificate) -> ChainLink:
    """A certificate's facts as a link of a chain."""
    return ChainLink(
        certificate.subject,
        certificate.issuer,
        date(certificate.not_before),
        date(certificate.not_after),
    )


def date(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def top(chain: Sequence[ChainLink]) -> ChainLink:
    """The last certificate reached by following issuers from the server's own, in any order."""
    at = chain[0]
    for _ in chain:
        above = next((each for each in chain if each.subject == at.issuer), None)
        if above is None or above is at:
            break
        at = above
    return at


def shape(chain: Sequence[ChainLink]) -> Shape:
    """How a chain ends: the server's certificate `alone`; `rooted` in a root that was sent as well;
    `open`, its last issuer missing; or of certificates `unrelated` to the server's own."""
    last = top(chain)
    if last.subject == last.issuer:
        return "rooted"
    if last is not chain[0]:
        return "open"
    return "alone" if len(chain) == 1 else "unrelated"


def expired(chain: Sequence[ChainLink]) -> ChainLink | None:
    """The first certificate that is no longer valid, by this machine's clock."""
    now = date(datetime.now(UTC))
    return next((each for each in chain if each.not_after < now), None)


def not_yet_valid(chain: Sequence[ChainLink]) -> ChainLink | None:
    """The first certificate that is not valid yet, by this machine's clock."""
    now = date(datetime.now(UTC))
    return next((each for each in chain if each.not_before > now), None)
