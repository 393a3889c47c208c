"""What `connect` finds out: one connection from name to clean close."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import (
    AskedAgain,
    DialectInfo,
    Error,
    HelloInfo,
    Hop,
    Phases,
    Url,
    optional,
)
from wsdiag.transport.tls.values import ChainLink as ChainLink


@dataclass(frozen=True, slots=True)
class TcpFacts:
    """What the kernel knows of the TCP connection (Linux, `TCP_INFO`).

    With a proxy it describes the first hop.
    """

    rtt_ms: Annotated[float | None, "TCP's smoothed round trip, in milliseconds"] = None
    min_rtt_ms: Annotated[float | None, "TCP's shortest round trip, in milliseconds"] = None
    retransmits: Annotated[
        int | None, "TCP segments retransmitted since the connection began; null if unknown"
    ] = None
    mss: Annotated[int | None, "Maximum segment size, in bytes"] = None


@dataclass(frozen=True, slots=True)
class HttpInfo:
    """The response to the opening handshake (RFC 6455, 4.1)."""

    status: Annotated[int, "HTTP status code"]
    reason: Annotated[str, "The reason phrase of the status line"]
    headers: Annotated[
        Sequence[tuple[str, str]], "Pairs of name and value in the order sent, credentials masked"
    ] = ()
    body: Annotated[str | None, "The beginning of a refusal's body"] = optional()
    text: Annotated[
        Sequence[str] | None, "The same as a person would read it: lines without markup"
    ] = optional()
    version: Annotated[str, "The version of HTTP in the status line"] = "1.1"


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What TLS negotiated, and the server's certificate."""

    version: Annotated[str | None, "TLS version, as in `TLSv1.3`"]
    cipher: Annotated[str | None, "Cipher suite, by OpenSSL's name"]
    alpn: Annotated[str | None, "The protocol chosen by ALPN (RFC 7301); null if none was"] = None
    subject: Annotated[str | None, "The name in the certificate"] = None
    issuer: Annotated[str | None, "The name of the authority that signed it"] = None
    sans: Annotated[
        Sequence[str], "Names and addresses that the certificate is for (subjectAltName)"
    ] = ()
    not_after: Annotated[str | None, "End of its validity, RFC 3339"] = None
    expires_in_days: Annotated[int | None, "Whole days until it expires"] = None
    verified: Annotated[
        bool, "Whether it was verified; false with `-k`, and when verification failed"
    ] = True
    chain: Annotated[
        Sequence[ChainLink] | None,
        "The chain as presented, the server's own certificate first; absent where Python does not "
        "reveal it",
    ] = optional()


@dataclass(frozen=True, slots=True)
class Message:
    """A message that came while the connection was open."""

    at_ms: Annotated[float, "Time since the upgrade, in milliseconds"]
    kind: Annotated[Literal["text", "binary"], "The message's opcode (RFC 6455, 5.6)"]
    text: Annotated[
        str, "Its beginning; of a binary one, bytes that are not UTF-8 appear as U+FFFD"
    ]
    bytes: Annotated[int, "Its whole length, in bytes"]


@dataclass(frozen=True, slots=True)
class CloseInfo:
    """The closing handshake (RFC 6455, 7)."""

    code: Annotated[
        int | None, "The Close code that was received (RFC 6455, 7.4); null if the frame had none"
    ]
    reason: Annotated[str, "The Close reason"] = ""
    clean: Annotated[bool, "Whether both sides sent a Close frame"] = False
    tcp_ended_by: Annotated[
        Literal["server", "client"] | None, "Who ended TCP first; null if unknown"
    ] = None


@dataclass(frozen=True, slots=True)
class Http2Info:
    """Whether WebSockets work over HTTP/2 (RFC 8441), as a browser would find."""

    alpn: Annotated[
        str | None, "What ALPN chose (RFC 7301) when HTTP/2 was offered; null if nothing"
    ] = None
    enable_connect_protocol: Annotated[
        bool | None,
        "Whether the server's SETTINGS allow extended CONNECT: where they do, browsers use it; "
        "null if none came",
    ] = None
    opens: Annotated[
        bool | None, "Whether an extended CONNECT opened; null if it was not tried"
    ] = None
    status: Annotated[int | None, "HTTP status of its answer; null if there was none"] = None
    ping_ms: Annotated[
        float | None, "The round trip of a Ping over HTTP/2, in milliseconds; null without a Pong"
    ] = None
    error: Annotated[str | None, "Why it fails; null if it does not"] = None
    asked_again: AskedAgain = optional()


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """Record `connect.result`: one connection, to a clean close, or to where it stopped."""

    type: ClassVar[str] = "connect.result"
    url: Url
    ok: Annotated[bool, "Whether a WebSocket connection was made"]
    address: Annotated[
        str | None,
        "`ip:port` that was connected to, or the Unix socket's path; null if there was no "
        "connection",
    ] = None
    proxy: Annotated[str | None, "The proxy's URL, its credentials masked; null without one"] = None
    proxy_why: Annotated[
        str | None,
        "The option or environment variable that chose the proxy, or kept one from being used",
    ] = optional()
    phases: Annotated[Phases, "How long each phase of connecting took"] = field(
        default_factory=Phases
    )
    http: Annotated[
        HttpInfo | None, "The response to the upgrade request; null if there was none"
    ] = None
    tls: Annotated[TlsInfo | None, "What TLS negotiated"] = optional()
    http2: Annotated[
        Http2Info | None,
        "WebSockets over HTTP/2: for wss:// one look after the connection under test has closed; "
        "with `--http2` that connection itself",
    ] = optional()
    alt_svc: Annotated[
        str | None, "The alternatives that the server announced (Alt-Svc, RFC 7838)"
    ] = optional()
    subprotocol: Annotated[
        str | None, "The subprotocol that the server chose; null if it chose none"
    ] = None
    extensions: Annotated[
        Sequence[str], "The extensions that the server granted, as it wrote them"
    ] = ()
    tcp: Annotated[TcpFacts | None, "TCP's own figures (Linux); null if unknown"] = None
    hops: Annotated[Sequence[Hop], "Products on the path that named themselves"] = ()
    messages: Annotated[
        Sequence[Message] | None,
        "The messages that came, in order: all of them with `--send` and `--listen`, otherwise "
        "those before a connection that did not last",
    ] = optional()
    close: Annotated[CloseInfo | None, "The closing handshake; null if there was none"] = None
    error: Annotated[Error | None, "The failure; null if there was none"] = None
    redirects: Annotated[Sequence[str] | None, "With `-L`: the URLs that redirected, in order"] = (
        optional()
    )
    reached: Annotated[
        str | None, "With `-L`: the URL that everything else is about, when it is not `url`"
    ] = optional()
    request: Annotated[Sequence[tuple[str, str]] | None, "The request's headers"] = optional()
    hello: Annotated[
        HelloInfo | None, "With `--hello` or `--dialect NAME`: what was said after the opening"
    ] = optional()
    dialect: Annotated[
        DialectInfo | None, "The application protocol that was recognised, or asked for"
    ] = optional()
    notes: Annotated[
        Sequence[str],
        "Warnings in sentences: a certificate about to expire, an old TLS version, no Pong",
    ] = ()
