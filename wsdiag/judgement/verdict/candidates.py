"""Products whose known behaviour fits a verdict: candidates, never culprits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsdiag.judgement.products.intermediaries import Product, keys_of, products
from wsdiag.judgement.verdict.classify import Classification
from wsdiag.judgement.verdict.clocks import ClockName
from wsdiag.records import Candidate, Hop, KeepaliveOutcome, TrialKind

# Known products fire up to three seconds late, one up to a second early.
EARLY_S, LATE_S = 1.0, 3.0
_MOST = 8
_TRUST = {"measured": 0, "documented": 1, "reported": 2, "unsure": 3}


def candidates(
    found: Classification, kept: Mapping[TrialKind, KeepaliveOutcome], hops: Sequence[Hop]
) -> tuple[Candidate, ...]:
    """At most eight; what fits and is named by the handshake's headers comes first."""
    if found.verdict not in ("idle-timeout", "lifetime") or found.range is None:
        return ()
    if found.drop is None or found.drop.how == "close":
        # No proxy is known to send a Close frame: it is a WebSocket endpoint's own.
        return ()
    named = keys_of(hops)
    possible = [p for p in products() if _possible(p, found, kept)]
    fitting = [p for p in possible if _fits(p, found)]
    rest = [p for p in possible if p.key in named and p not in fitting and _is_only_row(p, fitting)]
    fitting.sort(key=lambda p: (p.key not in named, _TRUST[p.evidence]))
    chosen = (*fitting, *rest)[:_MOST]
    return tuple(
        Candidate(p.name, p.directive, p.default_s, _why(p, hops, p in fitting)) for p in chosen
    )


def product_of(candidate: Candidate) -> Product | None:
    """The table's row behind a candidate."""
    return next((p for p in products() if p.name == candidate.product), None)


def _is_only_row(product: Product, fitting: Sequence[Product]) -> bool:
    """One row per product that is merely named by a header, and none beside one that fits."""
    first = next(p for p in products() if p.key == product.key)
    return first == product and all(p.key != product.key for p in fitting)


def _fits(product: Product, found: Classification) -> bool:
    default = product.default_s
    if default is None or product.evidence == "unsure" or found.range is None:
        return False
    high = found.range.high
    return found.range.low <= default + LATE_S and (high is None or high >= default - EARLY_S)


def _possible(
    product: Product, found: Classification, kept: Mapping[TrialKind, KeepaliveOutcome]
) -> bool:
    """Nothing that was seen speaks against it."""
    kind = "lifetime" if found.verdict == "lifetime" else "idle"
    if product.kind != kind or not _seen(product, found):
        return False
    resets = product.resets
    if resets is None or kind == "lifetime":
        return True
    tcp, pong = kept.get("tcp-keepalive"), kept.get("pong")
    if tcp == "holds" and resets != "segment":
        return False
    if (tcp == "drops" and resets == "segment") or (pong == "holds" and resets == "from-server"):
        return False
    if pong == "drops" and resets in ("any", "from-client"):
        return False
    wanted: dict[ClockName, str] = {"sent": "from-client", "received": "from-server"}
    return found.clock == "either" or resets == wanted[found.clock]


def _seen(product: Product, found: Classification) -> bool:
    if product.seen is None or found.drop is None:
        return True
    how = {"tls-eof": "fin", "timeout": "silent"}.get(found.drop.how, found.drop.how)
    return how in product.seen


def _why(product: Product, hops: Sequence[Hop], fits: bool) -> str | None:
    for hop in hops:
        if product.key in keys_of([hop]):
            named = f"identified by its {hop.evidence.partition(':')[0]} header"
            if fits or product.default_s is None:
                return named
            return f"{named}; its default is {product.default_s:g} s, so look for another value"
    return None
