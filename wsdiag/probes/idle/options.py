"""What an idle probe is asked to try, checked before the first connection is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.probes.idle.keepalives import BEHAVIOURS
from wsdiag.records import TrialKind

DEFAULT_TRIALS: tuple[TrialKind, ...] = ("idle", "ping", "pong", "tcp-keepalive")

# A control connection, an idle one and a pinging one: fewer leave every drop ambiguous.
FEWEST_CONNECTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOptions:
    """Options of `idle-probe`, named as the flags; durations in seconds. Raises ValueError."""

    from_s: float = 30.0
    to_s: float = 120.0
    step_s: float = 5.0
    keepalive_s: float = 20.0
    trials: tuple[TrialKind, ...] = field(default=DEFAULT_TRIALS)
    push: str | None = None
    send: str | None = None
    expect: str | None = None
    """A regular expression that the answer to `send` must match; None: any message."""
    pong_timeout_s: float = 10.0
    repeat: int = 1
    refine: bool = False
    max_connections: int = 32
    """At once, for each URL."""
    require_s: float | None = None

    def __post_init__(self) -> None:
        positive = {
            "--from": self.from_s,
            "--step": self.step_s,
            "--keepalive": self.keepalive_s,
            "--pong-timeout": self.pong_timeout_s,
            "--repeat": self.repeat,
        }
        for flag, value in positive.items():
            if value <= 0:
                raise ValueError(f"{flag} must be more than zero")
        if self.to_s < self.from_s:
            raise ValueError(f"--to {self.to_s:g}s is shorter than --from {self.from_s:g}s")
        if self.max_connections < FEWEST_CONNECTIONS:
            raise ValueError(
                f"--max-connections must be at least {FEWEST_CONNECTIONS}: an idle connection, "
                "a pinging one, and one that asks whether Pings are answered at all"
            )
        if "idle" not in self.trials:
            raise ValueError("--trials needs idle: without it nothing is measured")
        for kind in self.trials:
            option = BEHAVIOURS[kind].text_from
            if option is not None and self.text_of(kind) is None:
                raise ValueError(f"{kind} needs --{option} TEXT")
        if self.expect is not None and self.send is None:
            raise ValueError("--expect needs --send TEXT")

    @property
    def longest_s(self) -> float:
        """The longest idle period to survive: `to_s`, or what is required if that is longer."""
        return max(self.to_s, self.require_s or 0.0)

    def text_of(self, kind: TrialKind) -> str | None:
        """The text that trials of a kind send; None: they send none, or it was not given."""
        option = BEHAVIOURS[kind].text_from
        return None if option is None else getattr(self, option)
