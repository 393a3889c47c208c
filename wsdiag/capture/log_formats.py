"""Lines of HAProxy's, Envoy's, AWS ALB's, Traefik's and nginx's access logs, by the words in them.

Each parser takes the words of a line (`logs.WORD`) and gives what they say, or None where they are
not of its format. What flags mean is data here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Literal, NamedTuple

MOST_PATH = 2048
"""Characters of a request target; a longer one is cut."""
_CLF_DATE = re.compile(
    r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?: ([+-])(\d\d)(\d\d))?"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_TIMERS = re.compile(r"-?\d{1,12}(?:/-?\d{1,12}){1,3}/\+?\d{1,12}")
_STATUS = re.compile(r"[0-9]{1,3}|-1?")
_MILLISECONDS = re.compile(r"[0-9]{1,12}ms")
_COUNT = re.compile(r"[0-9]{1,15}")
_STATE = re.compile(r"[A-Za-z-]{2}(?:[A-Z-]{2})?")

HAPROXY_CAUSES = {
    "C": "the client ended the TCP connection without closing in order",
    "S": "the server ended the TCP connection without closing in order, or refused it",
    "P": "HAProxy itself ended it: a limit, a rule that denies, or a check of what was sent",
    "L": "HAProxy answered by itself, without a server",
    "R": "HAProxy had run out of something (memory, sockets, source ports)",
    "I": "HAProxy found an error of its own",
    "D": "HAProxy ended it because the server was marked as down",
    "U": "HAProxy ended it because a server that it stood in for was up again",
    "K": "an administrator of HAProxy killed it",
    "c": "a timeout of the client's side ran out",
    "s": "a timeout of the server's side ran out",
    "-": "TCP was closed in order, with or without a Close frame before",
}
"""The first letter of HAProxy's termination state: what ended the session."""
HAPROXY_PHASES = {
    "R": "while HAProxy waited for the request",
    "Q": "while it waited in the queue for a server",
    "C": "while HAProxy connected to the server",
    "H": "while HAProxy waited for the server's answer",
    "D": "while it was open",
    "L": "while the last bytes went to the client",
    "T": "while it was held in the tarpit",
    "-": "",
}
"""The second letter: where the session was."""
ENVOY_FLAGS = {
    "UH": "no healthy upstream host",
    "UF": "the connection to the upstream failed",
    "UO": "too many connections for the upstream (circuit breaker)",
    "NR": "no route, or no filter chain, for it",
    "URX": "the limit of retries or connection attempts was reached",
    "NC": "the upstream cluster is unknown",
    "DT": "the longest duration of a request or connection was reached",
    "DC": "the client was the first to end TCP, with or without a Close frame before",
    "DR": "the client reset it",
    "LH": "the local service failed its health check",
    "UT": "the upstream did not answer in time",
    "LR": "Envoy reset it",
    "UR": "the upstream reset it",
    "UC": "the upstream was the first to end TCP, with or without a Close frame before",
    "DI": "a delay was injected",
    "FI": "a fault was injected",
    "RL": "it was rate-limited",
    "UAEX": "the authorization service denied it",
    "RLSE": "the rate limit service failed",
    "IH": "a header that is checked strictly was invalid",
    "SI": "the stream's idle timeout ran out",
    "DPE": "the client broke the protocol",
    "UPE": "the upstream broke the protocol",
    "UMSDR": "the upstream's longest stream duration was reached",
    "RFCF": "the answer came from a cache",
    "NFCF": "a filter had no configuration",
    "OM": "the overload manager ended it",
    "DF": "the upstream's name did not resolve",
}
"""Envoy's response flags; several are separated by commas."""


class LogLine(NamedTuple):
    """What one line says of a request or TCP connection."""

    status: int | None
    """None: a TCP log."""
    lasted_s: float | None
    """From the first byte to the line's writing; None: the line has no duration."""
    began: float | None = None
    """Seconds since 1970."""
    opened_s: float | None = None
    """When the answer came, after its beginning; None: unknown."""
    client: str | None = None
    host: str | None = None
    path: str | None = None
    version: str | None = None
    scheme: Literal["ws", "wss"] | None = None
    upgraded: bool = False
    """It is a WebSocket, whatever its status."""
    flags: str | None = None
    words: str | None = None


LineParser = Callable[[list[str]], LogLine | None]


# -- HAProxy: httplog, httpslog, tcplog ------------------------------------------------------------


def _haproxy(words: list[str]) -> LogLine | None:
    """`client:port [date] frontend backend/server timers …`, behind whatever syslog puts first."""
    at = next((at for at, word in enumerate(words[:16]) if word[0] == "[" and at), None)
    if at is None or len(words) < at + 8 or _TIMERS.fullmatch(words[at + 3]) is None:
        return None
    began = clf_time(words[at][1:-1])
    client, timers = words[at - 1], words[at + 3].split("/")
    if began is None or ":" not in client or "/" not in words[at + 2]:
        return None
    final = not timers[-1].startswith("+")  # `option logasap` writes the line too early
    lasted_s = int(timers[-1]) / 1e3 if final else None
    scheme: Literal["ws", "wss"] | None = "wss" if words[at + 1].endswith("~") else None
    if len(timers) == 3:  # Tw/Tc/Tt bytes state
        state = words[at + 5]
        if len(state) != 2 or _STATE.fullmatch(state) is None:
            return None
        return LogLine(
            None, lasted_s, began, client=client, flags=state, words=haproxy_words(state)
        )
    if len(timers) != 5 or len(words) < at + 12:  # TR/Tw/Tc/Tr/Ta status bytes cookie cookie state
        return None
    status, state = words[at + 4], words[at + 8]
    if _STATUS.fullmatch(status) is None or _STATE.fullmatch(state) is None:
        return None
    request = next((word for word in reversed(words[at + 9 :]) if word[0] == '"'), '""')
    path, version = request_line(request)
    return LogLine(
        _status(status),
        lasted_s,
        began,
        opened_s=sum(max(int(timer), 0) for timer in timers[:4]) / 1e3,
        client=client,
        path=path,
        version=version,
        scheme=scheme or "ws",
        flags=state[:2],
        words=haproxy_words(state),
    )


def haproxy_words(state: str) -> str:
    """A termination state as a sentence's part: `cD` and the rest."""
    cause, phase = HAPROXY_CAUSES.get(state[:1], ""), HAPROXY_PHASES.get(state[1:2], "")
    which = {
        "cD": " (timeout client, or timeout tunnel)",
        "sD": " (timeout server, or timeout tunnel)",
    }
    return f"{cause}{which.get(state[:2], '')} {phase}".strip()


# -- Envoy's default format, and Istio's -----------------------------------------------------------


def _envoy(words: list[str]) -> LogLine | None:
    """`[start] "request" code flags received sent duration …`; Istio has details in between."""
    if len(words) < 12 or words[0][0] != "[" or words[1][0] != '"':
        return None
    began = iso_time(words[0][1:-1])
    if began is None or _STATUS.fullmatch(words[2]) is None:
        return None
    at = 4 if words[4].isdigit() else 7  # details, details of the termination, "failure"
    numbers = words[at : at + 3]
    if len(words) < at + 8 or not all(_COUNT.fullmatch(number) for number in numbers):
        return None
    path, version = request_line(words[1])
    authority = words[at + 7].strip('"')
    flags = None if words[3] == "-" else words[3][:64]
    return LogLine(
        _status(words[2]),
        int(numbers[2]) / 1e3,
        began,
        client=_known(words[at + 4].strip('"').partition(",")[0]),
        host=_known(authority),
        path=path,
        version=version,
        flags=flags,
        words=None if flags is None else envoy_words(flags),
    )


def envoy_words(flags: str) -> str:
    """Response flags in words; unknown ones as they are."""
    return "; ".join(ENVOY_FLAGS.get(flag, flag) for flag in flags.split(","))


# -- AWS Application Load Balancer -----------------------------------------------------------------


def _alb(words: list[str]) -> LogLine | None:
    """`type time elb client target 3 timers 2 statuses bytes bytes "request" … creation …`.

    For WebSockets `time` is when the connection was closed.
    """
    if len(words) < 22 or words[0] not in ("http", "https", "h2", "grpcs", "ws", "wss"):
        return None
    ended, began = iso_time(words[1]), iso_time(words[21])
    status = words[8]
    if ended is None or _STATUS.fullmatch(status) is None:
        return None
    timers = [float(word) for word in words[5:8] if _SECONDS.fullmatch(word)]
    path, version = request_line(words[12])
    return LogLine(
        _status(status),
        None if began is None else max(ended - began, 0.0),
        began,
        opened_s=sum(timers),
        client=_known(words[3]),
        path=path,
        version=version,
        scheme="wss" if words[0] == "wss" else "ws",
    )


# -- nginx's combined format, and $request_time at its end -----------------------------------------


def _combined(words: list[str]) -> LogLine | None:
    """`address - user [time] "request" status bytes "referer" "agent" … request_time`."""
    if len(words) < 9 or words[1] != "-" or words[3][0] != "[" or words[4][0] != '"':
        return None
    ended, status = clf_time(words[3][1:-1]), words[5]
    if ended is None or _STATUS.fullmatch(status) is None:
        return None
    last, lasted_s = words[-1].strip('"'), None
    # without its decimals it is not nginx's: Apache has %T in seconds, and %D in microseconds
    if len(words) > 9 and "." in last and _SECONDS.fullmatch(last):
        lasted_s = float(last)
    path, version = request_line(words[4])
    return LogLine(
        _status(status),
        lasted_s,
        None if lasted_s is None else ended - lasted_s,
        client=words[0],
        path=path,
        version=version,
    )


def _traefik(words: list[str]) -> LogLine | None:
    """`address - user [begun] "request" status bytes "referer" "agent" count "router" "url" ms`."""
    if len(words) != 13 or _MILLISECONDS.fullmatch(words[-1]) is None:
        return None
    line, began = _combined(words), clf_time(words[3][1:-1])
    if line is None:
        return None
    return line._replace(lasted_s=int(words[-1][:-2]) / 1e3, began=began)


FORMATS: dict[str, LineParser] = {
    "Traefik": _traefik,
    "HAProxy": _haproxy,
    "Envoy": _envoy,
    "AWS ALB": _alb,
    "nginx combined": _combined,
}


# -- what formats share ----------------------------------------------------------------------------


def request_line(quoted: str) -> tuple[str | None, str | None]:
    """Target and HTTP version of a request line, which a log has in quotes."""
    parts = quoted.strip('"').split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/"):
        return None, None
    return parts[1][:MOST_PATH], parts[2][5:8].removesuffix(".0") or None


@lru_cache(256)
def clf_time(text: str) -> float | None:
    """`28/Nov/2026:21:06:36 +0000`, or HAProxy's with milliseconds in this machine's zone."""
    match = _CLF_DATE.fullmatch(text)
    if match is None:
        return None
    zone = None
    if match[8]:
        offset = timedelta(hours=int(match[9]), minutes=int(match[10]))
        zone = UTC if not offset else timezone(-offset if match[8] == "-" else offset)
    day, year, hour, minute, second = (int(match[group]) for group in (1, 3, 4, 5, 6))
    try:
        month = _MONTHS.index(match[2]) + 1
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        return moment.timestamp() + int(match[7] or 0) / 1e3
    except (ValueError, OverflowError, OSError):
        return None


def iso_time(text: str) -> float | None:
    """`2026-11-28T21:06:36.500Z`, or with an offset; without either it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _status(text: str) -> int:
    """A status; 0 where there was none, which logs write as `0`, `-` or `-1`."""
    return int(text) if text[0] != "-" else 0


def _known(text: str) -> str | None:
    return None if text in ("", "-") else text[:256]
