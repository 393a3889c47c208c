"""What `path` finds out: the hops of a connection's own flow, and what answers at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import Drop, Error, Hop, Url, optional

HopKind = Literal["router", "tcp-end", "http2-end", "endpoint"]
PathMethod = Literal["segment", "ping"]


@dataclass(frozen=True, slots=True)
class PathStart:
    """Progress, not a record: the connection is open, and this is how its hops are asked."""

    url: Url
    address: Annotated[str | None, "Where TCP ends: `ip:port`, or the Unix socket's path"]
    proxy: Annotated[str | None, "The proxy's URL, its password masked; null without one"]
    method: Annotated[PathMethod | None, "How hops are asked; null if there are none"]
    note: Annotated[str | None, "What to know before reading on, in a sentence"] = None


@dataclass(frozen=True, slots=True)
class PathHop:
    """Record `path.hop`: one row after one round; the last round's rows count.

    A `router` is a hop by its number, whoever answers there; `tcp-end` is where TCP ends, be it a
    proxy; `http2-end` answers HTTP/2's PING there; `endpoint` answers WebSocket's Ping.
    """

    type: ClassVar[str] = "path.hop"
    url: Url
    hop: Annotated[
        int | None,
        "The number of the hop, 1 for the first router; null for what is behind the end of TCP, "
        "and where the number of hops could not be found",
    ]
    address: Annotated[
        str | None, "Who answered last; null if nobody did, or if it cannot be known"
    ]
    name: Annotated[str | None, "With `--names`: the address's name; null if it has none"] = None
    sent: Annotated[int, "Probes sent"] = 0
    received: Annotated[int, "Probes answered"] = 0
    loss_pct: Annotated[
        float | None,
        "Probes without an answer, in percent. A router may limit how often it answers: where "
        "the hops behind it lose nothing, nothing is lost",
    ] = None
    last_ms: Annotated[float | None, "The last round trip, in milliseconds"] = None
    avg_ms: Annotated[float | None, "Mean, in milliseconds"] = None
    best_ms: Annotated[float | None, "Shortest, in milliseconds"] = None
    worst_ms: Annotated[float | None, "Longest, in milliseconds"] = None
    jitter_ms: Annotated[float | None, "Interarrival jitter (RFC 3550), in milliseconds"] = None
    nat: Annotated[
        Literal[True] | None,
        "True: the packet as this hop quotes it is not what was sent, so somebody before it "
        "translates addresses; null: not known, as most that translate do so with the quote too",
    ] = None
    kind: Annotated[HopKind, "What it is"] = "router"
    addresses: Annotated[
        Sequence[str], "All that answered at this hop, in the order they were first seen"
    ] = ()
    other_flow: Annotated[
        bool,
        "True: the address was learnt by a SYN, which is a flow of its own and may take another "
        "path",
    ] = False
    return_hops: Annotated[
        int | None,
        "How many hops its answers come back by, from what is left of their hop limit; null if "
        "unknown",
    ] = None
    product: Annotated[
        str | None, "For `tcp-end`: the first product on the path that named itself"
    ] = optional()
    server: Annotated[
        str | None, "For `tcp-end`: the handshake's Server header; a proxy may have passed it on"
    ] = optional()
    via: Annotated[str | None, "For `tcp-end`: the handshake's Via header"] = optional()
    round: Annotated[int, "The round after which this was so, from 1"] = 1


@dataclass(frozen=True, slots=True)
class PathSummary:
    """Record `path.summary`: the path as a whole."""

    type: ClassVar[str] = "path.summary"
    url: Url
    address: Annotated[
        str | None, "Where TCP ends: `ip:port`, or the Unix socket's path; null without connection"
    ] = None
    proxy: Annotated[str | None, "The proxy's URL, its password masked; null without one"] = None
    hops: Annotated[
        int | None,
        "Number of the hop where TCP ends, the least hop limit that reaches it; 0: on this "
        "machine; null: not found",
    ] = None
    fewest_hops: Annotated[
        int | None,
        "Where nothing right before it answers, and TCP's end may be nearer than `hops` (something "
        "that drops packets with small hop limits looks like silent routers): hops at least",
    ] = optional()
    rounds: Annotated[int, "Rounds that were made"] = 0
    method: Annotated[
        PathMethod | None,
        "`segment`: copies of the connection's own segments (CAP_NET_RAW); `ping`: Pings with a "
        "small TTL, and SYNs beside the flow; null: there is no hop",
    ] = None
    clock: Annotated[
        Literal["kernel", "user"] | None, "Where the routers' round trips are stamped"
    ] = None
    network_ms: Annotated[float | None, "Mean round trip to where TCP ends, in milliseconds"] = None
    endpoint_ms: Annotated[float | None, "Mean round trip of a Ping, in milliseconds"] = None
    delay_ms: Annotated[
        float | None,
        "For `ping`: how long a Ping that asked a hop was delayed, the longest, in milliseconds",
    ] = optional()
    products: Annotated[Sequence[Hop], "Products on the path that named themselves"] = ()
    needs: Annotated[
        str | None, "What would grant what was missing (CAP_NET_RAW), in a sentence"
    ] = optional()
    notes: Annotated[Sequence[str], "What to know about these hops, in sentences"] = ()
    drop: Annotated[Drop | None, "How the connection ended, if it ended before the run did"] = (
        optional()
    )
    partial: Annotated[bool, "True when the run was interrupted"] = False


PathEvent = PathStart | PathHop | PathSummary | Error
