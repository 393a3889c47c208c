"""Access logs of JSON lines: Caddy's, Traefik's, and Envoy's as Istio and its manual write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from wsdiag.capture.log_formats import MOST_PATH, LogLine, envoy_words, iso_time


class _Format(NamedTuple):
    """Where a format has what; names of members within members are joined by a dot."""

    status: str
    lasted: str
    unit_s: float
    began: str | None = None
    ended: str | None = None
    client: tuple[str, ...] = ()
    host: str | None = None
    path: str | None = None
    version: str | None = None
    flags: str | None = None
    tls: str | None = None
    """There where the client's connection is TLS."""
    protocol: str | None = None
    """What a CONNECT of HTTP/2 asks for (RFC 8441): a WebSocket's status is 200 then."""


_FORMATS = {
    "Caddy": _Format(
        "status",
        "duration",
        1.0,
        ended="ts",
        client=("request.remote_ip", "request.remote_addr"),
        host="request.host",
        path="request.uri",
        version="request.proto",
        tls="request.tls",
        protocol="request.headers.:protocol",
    ),
    "Traefik": _Format(
        "DownstreamStatus",
        "Duration",
        1e-9,
        began="StartUTC",
        client=("ClientAddr", "ClientHost"),
        host="RequestHost",
        path="RequestPath",
        version="RequestProtocol",
        tls="TLSVersion",
    ),
    "Envoy": _Format(
        "response_code",
        "duration",
        1e-3,
        began="start_time",
        client=("downstream_remote_address", "x_forwarded_for"),
        host="authority",
        path="path",
        version="protocol",
        flags="response_flags",
    ),
}
_LONGEST_TEXT = 256


def json_format(text: str) -> tuple[str, Callable[[str], LogLine | None]] | None:
    """The name of the format that one line has, and what reads its lines; None: none of them."""
    record = _record(text)
    for name, form in _FORMATS.items():
        if record is not None and _line(record, form) is not None:

            def parse(line: str, form: _Format = form) -> LogLine | None:
                found = _record(line)
                return None if found is None else _line(found, form)

            return name, parse
    return None


def _record(text: str) -> dict[str, Any] | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _line(record: dict[str, Any], form: _Format) -> LogLine | None:
    status, lasted = _get(record, form.status), _get(record, form.lasted)
    if not _is_number(status) or not _is_number(lasted) or not 0 <= lasted < 1e18:
        return None
    if _get(record, form.path or "") is None:
        return None
    lasted_s = lasted * form.unit_s
    began = _moment(_get(record, form.began or ""))
    ended = _moment(_get(record, form.ended or ""))
    if began is None and ended is not None:
        began = ended - lasted_s
    version = _text(record, form.version)
    flags = _text(record, form.flags)
    flags = None if flags in (None, "-") else flags
    asks = _get(record, form.protocol or "") == ["websocket"]
    return LogLine(
        int(status),
        lasted_s,
        began,
        client=next((found for name in form.client if (found := _text(record, name))), None),
        host=_text(record, form.host),
        path=_text(record, form.path, MOST_PATH),
        version=None if version is None else version.removeprefix("HTTP/").removesuffix(".0"),
        scheme="wss" if _get(record, form.tls or "") else None,
        upgraded=asks and status == 200,
        flags=flags,
        words=None if flags is None else envoy_words(flags),
    )


def _get(record: dict[str, Any], name: str) -> Any:
    found: Any = record
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _text(record: dict[str, Any], name: str | None, most: int = _LONGEST_TEXT) -> str | None:
    found = _get(record, name or "")
    return found[:most] if isinstance(found, str) and found not in ("", "-") else None


def _moment(value: Any) -> float | None:
    if isinstance(value, str):
        return iso_time(value)
    return float(value) if _is_number(value) and abs(value) < 1e11 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
