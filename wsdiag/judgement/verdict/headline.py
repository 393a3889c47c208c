"""A finding in sentences: the answer first, then the evidence, each as sure as it is."""

from __future__ import annotations

from collections.abc import Mapping

from wsdiag.judgement.verdict.classify import Classification
from wsdiag.judgement.verdict.evidence import Evidence, ProbeContext
from wsdiag.records import Drop, KeepaliveOutcome, Range, TrialKind

_ENDS = {
    "fin": "FIN, no Close frame",
    "rst": "RST, no Close frame",
    "tls-eof": "TCP ends without TLS close_notify, no Close frame",
    "rst-on-write": "silently; RST on the next write",
    "silent": "silently: no event, and no answer afterwards",
    "timeout": "TCP gave up",
}


def seconds(value: float) -> str:
    """Seconds for people: `60 s`, `2.75 s`, `0.25 s`."""
    return f"{round(value, 2 if value < 10 else 1):g} s"


def span(range_: Range) -> str:
    """A range for people: `60 s` when its ends read alike, else `59.8 to 60.4 s`."""
    if range_.high is None:
        return f"more than {seconds(range_.low)}"
    low, high = seconds(range_.low), seconds(range_.high)
    return low if low == high else f"{low.removesuffix(' s')} to {high}"


def ending(drop: Drop) -> str:
    """How a drop shows, in brackets after the answer."""
    if drop.how != "close":
        return _ENDS[drop.how]
    code = "without a code" if drop.code is None else str(drop.code)
    reason = f' "{drop.reason}"' if drop.reason else ""
    return f"Close frame {code}{reason}"


def headline(finding: Classification, evidence: Evidence, case: ProbeContext) -> str:
    """The verdict in one sentence."""
    match finding.reason:
        case "event":
            return _dropped_after(finding, evidence)
        case "silent":
            return _dropped_silently(finding)
        case "alive":
            return _not_dropped(evidence, case)
        case "kept-busy":
            return (
                "The endpoint never lets a connection idle: it sends something on its own, and the "
                f"longest quiet time was {seconds(evidence.longest_survived_s)}."
            )
        case "age":
            return _lifetime(finding)
    if finding.reason == "broken":
        rule = next((t.violation for t in evidence.broken), None)
        return f"The endpoint breaks the WebSocket protocol ({rule}): its connections do not last."
    return _OTHERWISE[finding.reason].format(error=case.error or "no connection was opened")


_OTHERWISE = {
    "moment": "All connections ended at one moment, whatever their age or idleness: most likely a "
    "restart or a failure, not an idle timeout.",
    "random": "Connections were dropped at times that do not agree: no idle timeout explains them.",
    "contradiction": "Some connections were dropped after an idle time that others survived: most "
    "likely there is more than one backend or path.",
    "conflict": "The same keepalive held on one connection and not on another: no single timeout "
    "explains that.",
    "blackout": "All connections went silent, those in use too: most likely the network or the "
    "endpoint went away, or a device forgets connections whatever they carry.",
    "suspend": "This machine was suspended while probing: the drops have their cause here, and "
    "say nothing about the path.",
    "shared": "Connections to unrelated endpoints ended at the same moment: most likely the cause "
    "is near this machine (its network, VPN or gateway), not an idle timeout.",
    "nothing": "Nothing could be measured: {error}",
    "closed-at-once": "The endpoint accepts connections and ends each at once: nothing about idle "
    "times can be measured.",
}


def _dropped_after(finding: Classification, evidence: Evidence) -> str:
    assert finding.drop is not None
    assert finding.agreement is not None
    values = finding.agreement.values
    typical = seconds(values[len(values) // 2])
    what = {
        "either": f"Idle connections are dropped after {typical}",
        "sent": f"Connections are dropped {typical} after the client last sent something",
        "received": f"Connections are dropped {typical} after the endpoint last sent something",
    }[finding.clock]
    return f"{what} ({ending(finding.drop)})."


def _dropped_silently(finding: Classification) -> str:
    assert finding.drop is not None
    assert finding.range is not None
    low, high = finding.range.low, finding.range.high or finding.range.low
    between = f"after more than {seconds(low)} and at most {seconds(high)}"
    if not low:
        between = f"within {seconds(high)}"
    return f"Idle connections are dropped {between} ({ending(finding.drop)})."


def _not_dropped(evidence: Evidence, case: ProbeContext) -> str:
    longest = evidence.longest_survived_s
    if case.partial and not longest:
        return "Interrupted before anything could be measured."
    if case.partial and longest < 0.98 * case.longest_s:
        return f"No drop up to {seconds(longest)} of idleness; then the probe was interrupted."
    return f"Idle connections are not dropped within {seconds(longest)}."


def _lifetime(finding: Classification) -> str:
    assert finding.drop is not None
    assert finding.range is not None
    age = seconds(round(finding.drop.at_s, 1))
    if finding.unproven:
        return (
            f"Every connection is dropped after {age}, whatever the client sends "
            f"({ending(finding.drop)})."
        )
    return (
        f"Every connection ends after {age}, in use or not ({ending(finding.drop)}): a maximum "
        "lifetime, which no keepalive moves."
    )


def likely_cause(finding: Classification, kept: Mapping[TrialKind, KeepaliveOutcome]) -> list[str]:
    """Which side of things most likely dropped the connections."""
    if finding.verdict not in ("idle-timeout", "lifetime") or finding.drop is None:
        return []
    sentences = [_by_ending(finding.drop)]
    tcp = kept.get("tcp-keepalive")
    if finding.verdict == "idle-timeout" and tcp == "holds":
        sentences.append(
            "TCP keepalive held: whatever drops connections counts packets, so it is most likely "
            "a layer 3 or 4 device (NAT, firewall, network load balancer)."
        )
    elif finding.verdict == "idle-timeout" and tcp == "drops":
        sentences.append(
            "TCP keepalive did not help: whatever drops connections looks at bytes, so it most "
            "likely terminates TCP (a proxy, a load balancer, or the endpoint)."
        )
    return sentences


def _by_ending(drop: Drop) -> str:
    if drop.how == "close":
        return (
            "A Close frame speaks for a WebSocket endpoint: the server itself, or a gateway that "
            "talks WebSocket; plain proxies are not known to send one."
        )
    if drop.how in ("fin", "tls-eof"):
        return (
            "An end without a Close frame comes most likely from something in between (a proxy or "
            "load balancer), or from an endpoint that crashed or does not bother to say goodbye."
        )
    if drop.how == "rst":
        return (
            "A RST without a Close frame comes most likely from something in between, or from an "
            "endpoint that crashed; it does not tell which."
        )
    if drop.how == "rst-on-write":
        return (
            "Nothing told the client; only its next write was answered, with RST: most likely a "
            "device in between had forgotten the connection."
        )
    tcp = f"TCP {'no longer' if drop.tcp_acknowledged is False else 'still'} acknowledged"
    if drop.tcp_acknowledged is None:
        return "Nothing told the client: only a Pong's deadline detects this."
    return f"Nothing told the client; {tcp} what it wrote. Only a Pong's deadline detects this."
