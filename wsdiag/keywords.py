"""The keywords of `wsdiag.ping()`, `stream()` and the others, so that a typo is a type error.

One member a field of PingOptions, IdleOptions, StreamOptions, PathOptions, CheckOptions and
ServerOptions, which hold the defaults, refuse what is impossible and explain each; a test holds
names and types to them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, TypedDict

from wsdiag.probes.check.options import HeaderExpectation
from wsdiag.probes.common.jsonpath import JsonExpectation, JsonPath
from wsdiag.probes.ping.payloads import Mode
from wsdiag.probes.stream.options import Show
from wsdiag.records import TrialKind


class PingKeywords(TypedDict, total=False):
    """What `ping()` takes beside URLs; see PingOptions."""

    count: int | None
    interval_s: float | None
    timeout_s: float
    deadline_s: float | None
    size: int | None
    mode: Mode
    http2_ping: bool
    flood: bool
    adaptive: bool
    reconnect: bool
    retry_max_wait_s: float
    load: float | Literal["max"] | None
    load_idle_s: float
    load_time_s: float
    load_bytes: int
    download: float | Literal["max"] | None
    read_rate: float | None
    max_p50_ms: float | None
    max_p95_ms: float | None
    max_p99_ms: float | None
    max_loss_pct: float | None
    max_drops: int | None
    min_availability_pct: float | None


class IdleKeywords(TypedDict, total=False):
    """What `idle_probe()` takes beside URLs; see IdleOptions."""

    from_s: float | None
    to_s: float
    step_s: float | None
    keepalive_s: float | None
    trials: tuple[TrialKind, ...]
    push: str | None
    send: str | None
    expect: str | None
    pong_timeout_s: float
    repeat: int
    refine: bool
    max_connections: int
    require_s: float | None
    one_connection: bool
    lifetime_s: float | None
    locate: bool | None


class StreamKeywords(TypedDict, total=False):
    """What `stream()` takes beside the URL; see StreamOptions."""

    count: int | None
    deadline_s: float | None
    interval_s: float
    by: JsonPath | str | None
    seq: JsonPath | str | None
    time: JsonPath | str | None
    field: JsonPath | str | None
    show: Show | None
    silence_s: float | None
    ping_interval_s: float
    timeout_s: float
    reconnect: bool
    retry_max_wait_s: float
    most_keys: int
    max_silence_s: float | None
    max_gap: int | None
    max_lag_s: float | None
    min_rate: float | None


class PathKeywords(TypedDict, total=False):
    """What `path()` takes beside the URL; see PathOptions."""

    count: int | None
    interval_s: float
    names: bool


class CheckKeywords(TypedDict, total=False):
    """What `check()` takes beside URLs; see CheckOptions."""

    max_connect_s: float | None
    max_upgrade_s: float | None
    cert_days: int | None
    expect_subprotocol: str | None
    expect_extensions: tuple[str, ...]
    expect_status: frozenset[int]
    expect_headers: tuple[HeaderExpectation, ...]
    count: int
    max_p95_s: float | None
    max_loss_pct: float
    send: str | bytes | None
    expect: re.Pattern[str] | None
    expect_json: tuple[JsonExpectation, ...]
    within_s: float
    require_idle_s: float | None
    require_keepalive_s: float | None
    stream_s: float | None
    by: str | None
    seq: str | None
    time: str | None
    max_silence_s: float | None
    max_gap: int | None
    max_lag_s: float | None
    min_rate: float | None
    timeout_s: float
    expect_http2: bool
    http2_look: bool
    conformance: bool
    adversarial: bool
    only: tuple[str, ...]
    skip: tuple[str, ...]


class ServeKeywords(TypedDict, total=False):
    """What `serve()` takes beside faults; see ServerOptions."""

    host: str
    port: int
    cert: Path | None
    key: Path | None
    subprotocols: tuple[str, ...]
    compression: bool
    max_connections: int | None
    allow_origins: tuple[str, ...]
    max_message_size: int
    handshake_timeout: float
    upstream: str | None
    raw: bool
    insecure: bool
    cacert: Path | None
    control_port: int | None
    control_token: str | None
    http2: bool
