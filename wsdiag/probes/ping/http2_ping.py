"""HTTP/2's own PING beside the WebSocket Ping: it is answered where HTTP/2 ends, at the edge.

A WebSocket Ping goes all the way to the endpoint. A PING frame (RFC 9113, 6.7) is answered by the
first machine that speaks HTTP/2, without asking anybody: so the two round trips tell the edge's
share of the latency from what lies behind it. It leaves just before its Ping, to be answered before
it where one process answers both, and not too often: edges limit how many they answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag.transport.stream.stamps import Arrival, SendRecord, round_trip_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsdiag.transport.http2.connection import Http2Connection

SHORTEST_INTERVAL_S = 0.19  # with room for a Ping every 200 ms
_GIVEN_UP_S = 20.0


class Http2Ping:
    """One PING; `rtt_ms` None until it is answered."""

    __slots__ = ("rtt_ms",)

    def __init__(self) -> None:
        self.rtt_ms: float | None = None


class Http2Pings:
    """PINGs on one connection; one at a time."""

    def __init__(self, connection: Http2Connection, on_rtt: Callable[[float], None]) -> None:
        self._connection, self._on_rtt = connection, on_rtt
        self._last: Http2Ping | None = None
        self._sent_s = float("-inf")

    def send(self, now_s: float) -> Http2Ping | None:
        """Send one, where one is due; None: the last was sent too short a time ago."""
        waiting = self._last is not None and self._last.rtt_ms is None
        if now_s - self._sent_s < (_GIVEN_UP_S if waiting else SHORTEST_INTERVAL_S):
            return None
        self._sent_s = now_s
        ping = self._last = Http2Ping()

        def answered(sent: SendRecord, at: Arrival) -> None:
            ping.rtt_ms = round_trip_ns(sent, at)[0] / 1e6
            self._on_rtt(ping.rtt_ms)

        self._connection.ping(answered)
        return ping
