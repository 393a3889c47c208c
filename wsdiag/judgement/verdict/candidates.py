"""Products whose known behaviour fits a verdict: candidates, never culprits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsdiag.judgement.products.endpoints import KnownEndpoint, endpoints
from wsdiag.judgement.products.intermediaries import Product, keys_of, products
from wsdiag.judgement.verdict.classification import Classification
from wsdiag.judgement.verdict.clocks import ClockName
from wsdiag.records import Candidate, Drop, Hop, KeepaliveOutcome, TrialKind

# Known products fire up to three seconds late, one up to a second early.
EARLY_S, LATE_S = 1.0, 3.0
_MOST = 8
# From here on a product's look at its timers is a sweep that people notice.
_SLOW_TICK_S = 5.0
_TRUST = {"measured": 0, "documented": 1, "reported": 2, "unsure": 3}


def candidates(
    found: Classification, kept: Mapping[TrialKind, KeepaliveOutcome], hops: Sequence[Hop]
) -> tuple[Candidate, ...]:
    """At most eight; what named itself in the handshake comes first, then what fits best."""
    if found.application is not None and found.application.endpoint is not None:
        row = found.application.endpoint
        why = "recognised by its subprotocol, its first message or its Close frame"
        return (Candidate(row.name, row.directive, row.default_s, why),) if row.default_s else ()
    if found.verdict == "event" and found.drop is not None:
        return _of_an_event(found.drop)
    if found.verdict not in ("idle-timeout", "lifetime") or found.range is None:
        return ()
    if found.drop is None:
        return ()
    known = tuple(
        Candidate(row.name, row.directive, row.default_s)
        for row in endpoints()
        if row.kind == "idle" and _endpoint_fits(row, found)
    )
    if found.drop.how == "close":
        # Plain proxies are not known to send a Close frame: it is a WebSocket endpoint's own.
        return known[:_MOST]
    named = keys_of(hops)
    possible = [p for p in products() if _possible(p, found, kept)]
    fitting = [p for p in possible if _fits(p, found)]
    rest = [
        p
        for p in products()
        if p.key in named and p in possible and _is_only_row(p, fitting, possible)
    ]
    fitting.sort(key=lambda p: (p.key not in named, _lateness(p, found), _TRUST[p.evidence]))
    chosen = tuple(
        Candidate(p.name, p.directive, p.default_s, _why(p, hops, p in fitting))
        for p in (*(p for p in fitting if p.key in named), *rest)
    )
    others = tuple(
        Candidate(p.name, p.directive, p.default_s) for p in fitting if p.key not in named
    )
    return (*chosen, *others, *known)[:_MOST]


def _of_an_event(drop: Drop) -> tuple[Candidate, ...]:
    found = [p for p in products() if p.kind == "event" and _ends_like(p, drop)]
    return tuple(Candidate(p.name, p.directive, p.default_s) for p in found[:_MOST])


def _ends_like(product: Product, drop: Drop) -> bool:
    if drop.how == "close":
        coded = product.codes is not None and drop.code in product.codes
        said = product.reason is None or product.reason.lower() in (drop.reason or "").lower()
        return coded and said
    how = "fin" if drop.how == "tls-eof" else drop.how
    return product.codes is None and how in (product.seen or ())


def _endpoint_fits(row: KnownEndpoint, found: Classification) -> bool:
    if found.drop is None or found.range is None or found.verdict != "idle-timeout":
        return False
    if not row.ends_like(found.drop):
        return False
    if found.reason == "sweep":
        return row.tick_s >= _SLOW_TICK_S
    if row.default_s is None:
        return row.reason is not None and found.drop.how == "close"  # the reason names it
    if found.drop.how in ("silent", "rst-on-write"):
        return False
    high = found.range.high
    late = found.range.low <= row.default_s + LATE_S
    return late and (high is None or high >= row.default_s - EARLY_S)


def _lateness(product: Product, found: Classification) -> bool:
    """Whether what was seen is later (or earlier) than this product is known to be."""
    if product.default_s is None or found.cluster is None:
        return False
    values = found.cluster.values
    late_s = values[len(values) // 2] - product.default_s
    return not -0.1 - product.early_s <= late_s <= product.tick_s + 0.2


def product_of(candidate: Candidate) -> Product | None:
    """The table's row behind a candidate."""
    return next((p for p in products() if p.name == candidate.product), None)


def _is_only_row(product: Product, fitting: Sequence[Product], possible: Sequence[Product]) -> bool:
    """One row per product that is merely named by a header, and none beside one that fits."""
    if any(p.key == product.key for p in fitting):
        return False
    rows = [p for p in products() if p.key == product.key]
    return next((p for p in rows if p in possible), rows[0]) == product


def _fits(product: Product, found: Classification) -> bool:
    default = product.default_s
    if default is None or product.evidence == "unsure" or found.range is None:
        return False
    if found.reason == "sweep" and product.tick_s < _SLOW_TICK_S:
        # What looks at its timers once a second sweeps, too, but within a second.
        period_s = None if found.sweep is None else found.sweep.period_s
        if period_s is None or period_s > 1.5:
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
    return found.clock == "either" or resets == wanted.get(found.clock)


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
