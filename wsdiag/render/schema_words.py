"""What the members of records mean, for the JSON Schema: beside what their dataclasses say.

A key is a member's name, or `definition.member` where that name means something else there.
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    "schema_version": "Version of this contract; another one may change what members mean",
    "type": "Which record this is",
    "url": "The endpoint as it was given, its password masked",
    "time": "When it happened: RFC 3339 in UTC with microseconds",
    "address": "`ip:port` that was connected to, or the Unix socket's path; null: none was",
    "phases": "How long each phase of connecting took",
    "drop": "How the connection ended",
    "detail": "More about it, for people",
    "explanation": "Sentences for people, the most important one first",
    "advice": "What to set or to change, in sentences for people",
    "hops": "Hints of intermediaries on the way",
    "TcpFacts.retransmits": "TCP segments sent again since the connection began; null: not known",
    "ping.reply.retransmits": "TCP segments sent again while it was waited for; null: not known",
    "why": "The reason, for people",
    "direction": "Seen from this side",
    # phases, in the order of one connection
    "dns_ms": "Name resolution",
    "tcp_ms": "The TCP handshake",
    "proxy_ms": "Through the proxy: CONNECT or SOCKS",
    "tls_ms": "The TLS handshake",
    "upgrade_ms": "From the upgrade request to the 101",
    "ping_ms": "The first Ping's round trip",
    "close_ms": "The closing handshake",
    "total_ms": "All phases together",
    # connect.result
    "ok": "Whether it holds",
    "connect.result.ok": "Whether a WebSocket connection was made",
    "proxy": "The proxy's URL, its password masked; null: none",
    "http": "The answer to the upgrade request; null: none came",
    "tls": "What TLS negotiated",
    "serve.listening.tls": "Whether it takes wss:// instead of ws://",
    "subprotocol": "The subprotocol that the server chose; null: none",
    "extensions": "The extensions that the server granted, as it wrote them",
    "tcp": "What the kernel knows of the TCP connection (Linux); null: not known",
    "close": "The closing handshake; null: there was none",
    "error": "The failure; null: none",
    "status": "HTTP status code",
    "check.result.status": "The judgement",
    "reason": "Text beside the code",
    "headers": "[name, value] pairs as sent, in order, credentials masked",
    "version": "TLS version, as in `TLSv1.3`",
    "cipher": "Cipher suite, by OpenSSL's name",
    "alpn": "Protocol chosen by ALPN (RFC 7301); null: none",
    "subject": "Whom the certificate names",
    "issuer": "Who signed the certificate",
    "sans": "Names and addresses that the certificate is for (subjectAltName)",
    "not_after": "When the certificate ends",
    "expires_in_days": "Whole days until the certificate ends",
    "verified": "Whether the certificate was verified; false under `-k`",
    "TcpFacts.rtt_ms": "TCP's smoothed round trip",
    "min_rtt_ms": "TCP's shortest round trip",
    "mss": "Largest segment that is sent, bytes",
    "product": "Name of a product",
    "evidence": "The header line that gave it away",
    "code": "Close code (RFC 6455, 7.4); null: the frame had none",
    "clean": "Whether both sides sent a Close frame",
    "tcp_ended_by": "Who ended TCP first; null: not known",
    # ping
    "clock": "Where round trips are stamped",
    "seq": "Number of the Ping, from 1",
    "rtt_ms": "Round trip",
    "late": "True when it came after the timeout (-W)",
    "ping.summary.late": "How many Pongs came after the timeout (-W)",
    "tcp_rtt_ms": "TCP's own smoothed round trip at that moment; null: not known",
    "unsent_bytes": "Bytes that stood before the Ping, not yet sent; null: not known",
    "cause": "Cause of an outlier; null: no outlier, or no evidence",
    "waited_ms": "How long it was waited for",
    "sent": "Pings sent",
    "received": "Pings answered in time",
    "lost": "Pings not answered in time",
    "loss_pct": "Share that was lost; null: none was sent",
    "min_ms": "Shortest round trip",
    "avg_ms": "Mean round trip",
    "p50_ms": "Median round trip",
    "p90_ms": "90th percentile",
    "p95_ms": "95th percentile",
    "p99_ms": "99th percentile",
    "max_ms": "Longest round trip",
    "stddev_ms": "Standard deviation",
    "jitter_ms": "Mean deviation of successive round trips (RFC 3550, 6.4.1)",
    "duration_s": "How long the run took",
    "attribution": "Network against endpoint, and the causes of outliers; null: no evidence",
    "load": "With --load: latency idle and under load",
    "thresholds": "The limits that were asked for",
    "drops": "How many connections ended before their time",
    "network_ms": "The network's part of the median",
    "endpoint_ms": "The endpoint's part of the median",
    "causes": "Outliers counted by cause",
    "idle_p50_ms": "Median without load",
    "loaded_p50_ms": "Median under load",
    "sent_bytes": "What was sent as load",
    "queued_bytes_max": "Most that waited in the kernel to be sent",
    "name": "Which limit, as in `max-p95`",
    "limit": "What it must not go beyond, in the unit of `measured`",
    "measured": "What was measured; null: it could not be",
    # how a connection ended
    "how": "`close`: a Close frame; `fin`: the end of TCP without one; `rst`: a reset; `tls-eof`: "
    "the end of TCP without close_notify; `silent`: no event, but a Ping got no Pong; "
    "`rst-on-write`: silent until written to; `timeout`: TCP gave up",
    "at_s": "Since the upgrade",
    "wire": "Whether TCP still acknowledged what was written; null: not known",
    "Drop.code": "For `close`: the code (RFC 6455, 7.4)",
    "Drop.reason": "For `close`: the reason",
    # idle-probe
    "idle.trial.drop": "How the connection ended; null: it did not",
    "idle.verdict.drop": "How idle connections end; null: they do not",
    "trial": "What was done to keep the connection alive",
    "rung_s": "For `idle`: after which idle period it is asked; null: never",
    "interval_s": "Interval of its keepalives; null: it sends none",
    "outcome": "What became of it",
    "idle_s": "Since the last byte in either direction, at the outcome; null: not known",
    "lane": "Number of the connection in its run, from 0",
    "verdict": "The answer",
    "idle_timeout_s": "Between which idle periods connections are dropped; null: they are not",
    "tested_up_to_s": "Longest idle period that was tested; null: none",
    "keepalives": "Which ones keep a connection open",
    "recommended_ping_interval_s": "A Ping this often is safe; null: none is needed, or helps",
    "candidates": "Products whose known default fits; candidates, no culprits",
    "required_s": "--require: the idle time that must be survived",
    "require_ok": "Whether it was survived",
    "low": "Lower bound, seconds",
    "high": "Upper bound, seconds; null: not known",
    "directive": "The setting's name in the product's configuration",
    "default_s": "The setting's default",
    "keepalives_sent": "How many were sent",
    # check
    "id": "The check's name, as `--only` takes it",
    "group": "The group that it belongs to",
    "check.result.url": "The endpoint that was judged, its password masked",
    "check.result.limit": "What was asked for, in the unit of `measured`",
    "check.result.measured": "What was measured or seen; null: nothing was",
    "rule": "Section of an RFC that says so",
    "took_ms": "How long it took; null: not measured on its own",
    "passed": "Checks that hold",
    "warned": "Checks with a warning",
    "failed": "Checks that do not hold",
    "skipped": "Checks that were not judged",
    # serve
    "host": "Address that it listens on",
    "port": "TCP port",
    "connection": "Number of the connection, from 1; 0: the server itself",
    "event": "What happened; members beside it depend on this",
    # error
    "phase": "Phase of the connection",
    "kind": "What went wrong, for programs",
    "message": "What went wrong, for people",
    "hint": "What to change; null: nothing to suggest",
    # trace
    "trace.phase.ok": "Whether the phase succeeded",
    "trace.phase.took_ms": "How long it took",
    "trace.phase.detail": "What came of it: an address, a TLS version, an error",
    "first_line": "Request line or status line",
    "opcode": "RFC 6455, 5.2: 1 text, 2 binary, 8 Close, 9 Ping, 10 Pong",
    "fin": "Whether it ends its message",
    "rsv": "The reserved bits RSV1, RSV2, RSV3",
    "masked": "Whether the payload was masked",
    "length": "Length of the payload, bytes",
    "excerpt": "The payload's first bytes, unmasked; those that are not UTF-8 as `\\xff`",
}

UNITS = {"_ms": "milliseconds", "_s": "seconds", "_pct": "percent", "_bytes": "bytes",
         "_bytes_max": "bytes", "_days": "days"}  # fmt: skip
"""Units by the end of a member's name."""

DEFINITIONS = {"Drop": "How a connection ended, and when."}
"""Of dataclasses whose own words are for those who read the code."""


def describe(definition: str, member: str, own: str | None) -> str | None:
    """A sentence about a member with its unit; `own`: what its dataclass says; None: nothing."""
    words = own or WORDS.get(f"{definition}.{member}") or WORDS.get(member)
    unit = next((unit for end, unit in UNITS.items() if member.endswith(end)), None)
    if words is None or unit is None or unit.rstrip("s") in words.lower():
        return words and words.rstrip(".…") + "."
    said, semicolon, rest = words.rstrip(".").partition(";")
    return f"{said}, in {unit}{semicolon}{rest}."
