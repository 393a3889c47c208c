"""A verdict in sentences: the answer first, then what most likely caused it."""

from __future__ import annotations

from collections.abc import Mapping

from wsdiag.judgement.verdict.classify import Classification, Reason
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.records import Drop, KeepaliveOutcome, Range, TrialKind
from wsdiag.records.drops import drop_phrase
from wsdiag.units import format_seconds

_OTHERWISE: dict[Reason, str] = {
    "moment": "All connections ended at one moment, whatever their age or idleness: most likely a "
    "restart or a failure, not an idle timeout.",
    "random": "Connections were dropped at times that do not agree: no idle timeout explains them.",
    "contradiction": "Some connections were dropped after an idle time that others survived: most "
    "likely there is more than one backend or path.",
    "conflict": "The same keepalive held on one connection and not on another: no single timeout "
    "explains that.",
    "blackout": "All connections went silent, those in use too: most likely the network or the "
    "endpoint went away, or a device forgets connections whatever they carry.",
    "suspend": "This machine was suspended while probing: that caused the drops, which say nothing "
    "about the path.",
    "shared": "Connections to unrelated endpoints ended at the same moment: most likely the cause "
    "is near this machine (its network, VPN or gateway), not an idle timeout.",
    "closed-at-once": "The endpoint accepts connections and ends each at once: nothing about idle "
    "times can be measured.",
}


def span(range_: Range) -> str:
    """A range for people: `60 s` when its ends read alike, else `59.8 to 60.4 s`."""
    if range_.high is None:
        return f"more than {format_seconds(range_.low)}"
    low, high = format_seconds(range_.low), format_seconds(range_.high)
    return low if low == high else f"{low.removesuffix(' s')} to {high}"


def headline(found: Classification, evidence: Evidence, context: ProbeContext) -> str:
    """The verdict in one sentence."""
    match found.reason:
        case "event":
            return _dropped_after(found)
        case "silent":
            return _dropped_silently(found)
        case "alive":
            return _not_dropped(evidence, context)
        case "age":
            return _lifetime(found)
        case "wanted":
            return _heartbeat_wanted(found, context)
        case "no-hello":
            return _hello_wanted(found, context)
        case "kept-busy":
            return (
                "The endpoint never lets a connection idle: it sends something on its own, and the "
                f"longest quiet time was {format_seconds(evidence.longest_survived_s)}."
            )
        case "broken":
            rule = next((t.violation for t in evidence.broken), None)
            return f"The endpoint breaks the WebSocket protocol ({rule}), which ends connections."
        case "nothing":
            return f"Nothing could be measured: {context.error or 'no connection was opened'}"
    return _OTHERWISE[found.reason]


def _dropped_after(found: Classification) -> str:
    assert found.drop is not None
    assert found.cluster is not None
    values = found.cluster.values
    typical = format_seconds(values[len(values) // 2])
    what = {
        "either": f"Idle connections are dropped after {typical}",
        "sent": f"Connections are dropped {typical} after the client last sent something",
        "received": f"Connections are dropped {typical} after the endpoint last sent something",
    }[found.clock]
    return f"{what} ({drop_phrase(found.drop)})."


def _dropped_silently(found: Classification) -> str:
    assert found.drop is not None
    assert found.range is not None
    low, high = found.range.low, found.range.high or found.range.low
    between = f"after more than {format_seconds(low)} and at most {format_seconds(high)}"
    if not low:
        between = f"within {format_seconds(high)}"
    return f"Idle connections are dropped {between} ({drop_phrase(found.drop)})."


def _not_dropped(evidence: Evidence, context: ProbeContext) -> str:
    longest_s = evidence.longest_survived_s
    longest = format_seconds(longest_s)
    if context.partial and not longest_s:
        return "Interrupted before anything could be measured."
    if context.partial and longest_s < 0.98 * context.longest_s:
        return f"No drop up to {longest} of idleness; then the probe was interrupted."
    return f"Idle connections are not dropped within {longest}."


def _heartbeat_wanted(found: Classification, context: ProbeContext) -> str:
    assert found.drop is not None
    assert found.range is not None
    dialect = context.dialect
    spoken = "" if dialect is None else f" of {dialect.title}"
    shown = f" `{dialect.ping_shown}`" if dialect is not None and dialect.ping_shown else ""
    return (
        f"The endpoint ends a client that does not answer its heartbeat{shown}{spoken} within "
        f"{span(found.range)} ({drop_phrase(found.drop)}), whatever else the client sends: not an "
        "idle timeout, and nothing on the path."
    )


def _hello_wanted(found: Classification, context: ProbeContext) -> str:
    assert found.drop is not None
    assert found.range is not None
    spoken = "its protocol" if context.dialect is None else context.dialect.title
    why = f": {found.drop.detail}" if found.drop.detail else ""
    return (
        f"The endpoint wants a first message of {spoken}, and ends a client that sends none after "
        f"{span(found.range)} ({drop_phrase(found.drop)}{why}): idle times were not measured."
    )


def _lifetime(found: Classification) -> str:
    assert found.drop is not None
    age, end = format_seconds(round(found.drop.at_s, 1)), drop_phrase(found.drop)
    if found.unproven:
        return f"Every connection is dropped after {age}, whatever the client sends ({end})."
    return (
        f"Every connection ends after {age}, in use or not ({end}): a maximum lifetime, which no "
        "keepalive extends."
    )


def likely_cause(found: Classification, kept: Mapping[TrialKind, KeepaliveOutcome]) -> list[str]:
    """Which side of things most likely dropped the connections."""
    if found.verdict not in ("idle-timeout", "lifetime") or found.drop is None:
        return []
    sentences = [_by_drop_phrase(found.drop)]
    tcp = kept.get("tcp-keepalive")
    if found.verdict == "idle-timeout" and tcp == "holds":
        sentences.append(
            "TCP keepalive held: what drops the connections counts packets, so it is most likely a "
            "layer 3 or 4 device (NAT, firewall, network load balancer)."
        )
    elif found.verdict == "idle-timeout" and tcp == "drops":
        sentences.append(
            "TCP keepalive did not help: what drops the connections counts data, not TCP keepalive "
            "probes, so it most likely terminates TCP (a proxy, a load balancer, or the endpoint)."
        )
    return sentences


def _by_drop_phrase(drop: Drop) -> str:
    match drop.how:
        case "close":
            return (
                "A Close frame indicates a WebSocket endpoint: the server itself, or a gateway "
                "that terminates WebSocket; plain proxies are not known to send one."
            )
        case "fin" | "tls-eof":
            return (
                "A connection cut without a Close frame was most likely cut by something in "
                "between (a proxy or load balancer), or by an endpoint that crashed or closes "
                "without a Close frame."
            )
        case "rst":
            return (
                "A RST without a Close frame comes most likely from something in between, or from "
                "an endpoint that crashed; it does not tell which."
            )
        case "rst-on-write":
            return (
                "The client was not notified; only its next write was answered, with RST: most "
                "likely a device in between had forgotten the connection."
            )
    if drop.tcp_acknowledged is None:
        return "The client was not notified: only a Pong timeout detects this."
    still = "still" if drop.tcp_acknowledged else "no longer"
    return (
        f"The client was not notified, and TCP {still} acknowledged what it wrote. Only a Pong "
        "timeout detects this."
    )
