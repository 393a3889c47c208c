"""What `stream` watches, for how long, and what must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsdiag.probes.common.jsonpath import JsonPath

PING_INTERVAL_S = 1.0
MOST_KEYS = 200

Show = Literal["text", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The options of `wsdiag stream`, named as there. ValueError when impossible.

    Paths are JSONPaths, as text or parsed; `_s` are seconds, `min_rate` messages a second.
    """

    count: int | None = None
    deadline_s: float | None = None
    interval_s: float = 1.0
    """From one `stream.interval` to the next."""
    by: JsonPath | str | None = None
    seq: JsonPath | str | None = None
    time: JsonPath | str | None = None
    field: JsonPath | str | None = None
    show: Show | None = None
    silence_s: float | None = None
    """No message for longer is a silence; None: `max_silence_s`, or by what is usual."""
    ping_interval_s: float = PING_INTERVAL_S
    timeout_s: float = 20.0
    """With `reconnect`: a connection on which a Ping is unanswered for longer is given up."""
    reconnect: bool = False
    retry_max_wait_s: float = 30.0
    most_keys: int = MOST_KEYS
    max_silence_s: float | None = None
    max_gap: int | None = None
    max_lag_s: float | None = None
    min_rate: float | None = None

    def __post_init__(self) -> None:
        for name in ("by", "seq", "time", "field"):
            path = getattr(self, name)
            if isinstance(path, str):
                object.__setattr__(self, name, JsonPath.parse(path))
        positive = {
            "count": self.count,
            "deadline": self.deadline_s,
            "interval": self.interval_s,
            "silence": self.silence_s,
            "ping_interval": self.ping_interval_s,
            "timeout": self.timeout_s,
            "retry_max_wait": self.retry_max_wait_s,
            "most_keys": self.most_keys,
        }
        for name, value in positive.items():
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be positive")
        if self.max_gap is not None and self.seq is None:
            raise ValueError("max_gap needs seq: without it no sequence number is known")
        if self.max_lag_s is not None and self.time is None:
            raise ValueError("max_lag needs time: without it no message says when it was made")
        if self.field is not None and self.show is None:
            raise ValueError("field needs show: it says what of a message is shown")

    @property
    def reads_json(self) -> bool:
        """Whether messages are looked into."""
        return not (self.by is self.seq is self.time is self.field is None)

    def limits(self) -> dict[str, float]:
        """The limits asked for, by the name of their option; durations in seconds."""
        limits = {
            "max-silence": self.max_silence_s,
            "max-gap": None if self.max_gap is None else float(self.max_gap),
            "max-lag": self.max_lag_s,
            "min-rate": self.min_rate,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}
