"""What a failed verification's chain of certificates shows, as facts for the hints."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.transport.tls import chain
from wsdiag.transport.tls.values import ChainLink, TlsFacts

_NAMED = 3


def certificate_facts(tls: TlsFacts | None) -> dict[str, str]:
    """Names and dates of the server's own certificate; words for them where it was not seen."""
    if tls is None:
        unseen = "a certificate that could not be looked at again"
        return {"sans": "other names", "issuer": unseen, "subject": unseen}
    days = tls.expires_in_days
    return {
        "subject": tls.subject or "an unnamed subject",
        "issuer": tls.issuer or "an unnamed issuer",
        "sans": ", ".join(tls.sans) or tls.subject or "no name",
        "not_after": tls.not_after or "?",
        "not_before": tls.not_before or "?",
        "days_ago": str(-days - 1) if days is not None else "?",
        "expired": "yes" if days is not None and days < 0 else "",
        "purposes": ", ".join(tls.purposes),
        "issuer_url": tls.issuer_url or "",
    }


def chain_facts(tls: TlsFacts | None, trusted: Sequence[str]) -> dict[str, str]:
    """Where the chain breaks; {} where it is not known."""
    links = tls.chain if tls is not None else None
    if not links:
        return {}
    last = chain.top(links)
    shape = chain.shape(links)
    missing = last.subject if shape == "rooted" else last.issuer
    return {
        "chain": shape,
        "count": str(len(links)),
        "top": last.subject,
        "missing": missing,
        "same_name": "yes" if missing in trusted else "",
        "trusted": _some(trusted),
        **_dates(links),
    }


def _dates(links: Sequence[ChainLink]) -> dict[str, str]:
    """The authority above the server's certificate whose dates are at fault."""
    facts: dict[str, str] = {}
    if (late := chain.expired(links[1:])) is not None:
        facts |= {"above_expired": late.subject, "above_expired_on": late.not_after}
    if (early := chain.not_yet_valid(links)) is not None:
        facts |= {"early": early.subject, "early_from": early.not_before}
    return facts


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more
