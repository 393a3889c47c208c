"""The summary's sentences: the median split between network and endpoint, the outliers by cause."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.records import Attribution, Cause

# Up to this much, the difference between the quickest and the usual Pong is not worth a caveat.
_CERTAIN_MS = 1.0
_CERTAIN_SHARE = 0.1


@dataclass(slots=True)
class SummaryFacts:
    """What a run found out beyond its round trips; times in ms."""

    p50_ms: float | None
    min_ms: float | None
    floor_ms: float | None
    """The shortest round trip TCP itself saw (TCP_INFO `min_rtt`); None: not known."""
    limit_ms: float | None = None
    """Beyond this lay an outlier, at the end of the run."""
    causes: dict[Cause, int] = field(default_factory=dict)
    unexplained: int = 0
    retransmitted: int = 0
    """Outliers with cause `network` during which TCP retransmitted."""
    proxy: str | None = None
    stalls: int = 0
    longest_stall_ms: float = 0.0
    clock: str = "user"


def number(value: float) -> str:
    """Milliseconds as people write them: `0.12`, `4.8`, `48`, `1203`."""
    if abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) < 10 else f"{value:.0f}"


def attribute(found: SummaryFacts) -> Attribution:
    """The median's two shares in ms, the causes counted, and the sentences that say it."""
    network, endpoint = split_median(found)
    sentences = [_median_sentence(found, network, endpoint), _outlier_sentence(found)]
    sentences += [_proxy_sentence(found), _stall_sentence(found)]
    return Attribution(network, endpoint, dict(found.causes), [s for s in sentences if s])


def split_median(found: SummaryFacts) -> tuple[float | None, float | None]:
    """(network, endpoint) shares of the median in ms; (None, None) where TCP tells nothing.

    The network's share is the shortest round trip TCP saw: its handshake is answered by the peer's
    kernel, whereas later samples may include an application's time (its Pong carries the ACK).
    """
    if found.p50_ms is None or found.floor_ms is None:
        return None, None
    network = min(found.floor_ms, found.p50_ms)
    return network, found.p50_ms - network


def _median_sentence(found: SummaryFacts, network: float | None, endpoint: float | None) -> str:
    if network is None or endpoint is None or found.p50_ms is None:
        return ""
    wobble = found.p50_ms - (found.min_ms if found.min_ms is not None else found.p50_ms)
    sure = wobble <= max(_CERTAIN_MS, _CERTAIN_SHARE * found.p50_ms)
    least, most = ("", "") if sure else ("at least ", "at most ")
    return (
        f"{number(found.p50_ms)} ms at the median: {least}{number(network)} ms network, "
        f"{most}{number(endpoint)} ms endpoint."
    )


def _outlier_sentence(found: SummaryFacts) -> str:
    parts = [_cause_words(cause, found) for cause in ("network", "endpoint", "queue", "local")]
    if found.unexplained:
        parts.append(f"{found.unexplained} unexplained")
    told = [part for part in parts if part]
    if not told:
        return ""
    total = sum(found.causes.values()) + found.unexplained
    over = f" over {number(found.limit_ms)} ms" if found.limit_ms is not None else ""
    return f"{total} outlier{'s' if total > 1 else ''}{over}: {', '.join(told)}."


def _cause_words(cause: Cause, found: SummaryFacts) -> str:
    count = found.causes.get(cause, 0)
    if not count:
        return ""
    if cause == "network":
        return _network_words(count, found.retransmitted)
    words: dict[Cause, str] = {
        "endpoint": "while the endpoint was busy",
        "queue": "behind our own data (queue)",
        "local": "while this machine held wsdiag up (local)",
    }
    return f"{count} {words[cause]}"


def _network_words(count: int, retransmitted: int) -> str:
    if retransmitted == count:
        return f"{count} with TCP retransmissions (network)"
    if not retransmitted:
        return f"{count} with a slow path (network)"
    slow = count - retransmitted
    return f"{retransmitted} with TCP retransmissions and {slow} with a slow path (network)"


def _proxy_sentence(found: SummaryFacts) -> str:
    if found.proxy is None:
        return ""
    return (
        "TCP's figures describe the first hop only, to the proxy: "
        "what lies behind it counts as endpoint."
    )


def _stall_sentence(found: SummaryFacts) -> str:
    if not found.stalls:
        return ""
    times = "once" if found.stalls == 1 else f"{found.stalls} times"
    effect = (
        "the kernel's time stamps kept it out of the round trips"
        if found.clock == "kernel"
        else "round trips of those moments include it"
    )
    longest = number(found.longest_stall_ms)
    return f"This machine held wsdiag up {times}, for up to {longest} ms; {effect}."
