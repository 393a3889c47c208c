"""What an exporter watches, and what it may be asked for: plain values, however they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from wsdiag.exporter.allow import Allowed
from wsdiag.probes.check.options import Endpoint
from wsdiag.transport.dial.options import DialOptions

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a machine next door to an endpoint that nearly everybody gives up."""
MOST_BUCKETS = 50


class ConfigError(Exception):
    """A config that cannot be used; its text has a line for each problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterTarget:
    """One endpoint to stay connected to; `_s` are seconds."""

    url: str
    name: str = ""
    """The label `name`."""
    shown_url: str = ""
    """The label `url`: without credentials."""
    dial: DialOptions = field(default_factory=DialOptions)
    interval_s: float = 1.0
    """Between two Pings."""
    timeout_s: float = 5.0
    """After which a Ping is lost."""
    idle_probe_s: float | None = None
    """How often an idle probe runs; None: never."""
    http2_look: bool = True
    """Whether to look at HTTP/2 beside a wss:// target, once an hour."""
    seq: str | None = None
    """JSONPath of the sequence number in its messages."""
    time: str | None = None
    """JSONPath of the time in its messages."""

    @property
    def is_feed(self) -> bool:
        """Whether its messages are looked at: a hello asks for them, or seq or time read them."""
        named = self.dial.dialect not in ("auto", "none")
        return bool(self.dial.hello) or named or self.seq is not None or self.time is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterConfig:
    """All that a file says. ValueError when impossible."""

    targets: tuple[ExporterTarget, ...] = ()
    modules: Mapping[str, Endpoint] = field(default_factory=dict)
    """What /probe checks, by name; their `url` is not looked at."""
    allow: Allowed = field(default_factory=Allowed)
    """What /probe may be pointed at: nothing without it."""
    buckets_s: tuple[float, ...] = BUCKETS_S

    def __post_init__(self) -> None:
        check_buckets(self.buckets_s)


def check_buckets(buckets_s: Sequence[float]) -> None:
    """ValueError for bounds that make no histogram."""
    ascending = all(low < high for low, high in pairwise(buckets_s))
    if not buckets_s or not ascending or buckets_s[0] <= 0:
        raise ValueError("must be positive and ascending")
    if len(buckets_s) > MOST_BUCKETS:
        raise ValueError(f"{MOST_BUCKETS} at most")
