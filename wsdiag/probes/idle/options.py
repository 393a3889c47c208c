"""What an idle probe is asked to try, checked before the first connection is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from wsdiag.probes.idle.keepalives import BEHAVIOURS
from wsdiag.records import DeadKind, TrialKind

DEFAULT_TRIALS: tuple[TrialKind, ...] = ("idle", "ping", "pong", "tcp-keepalive")

DEAD: tuple[DeadKind, ...] = get_args(DeadKind)
AWAY = (0.25, 0.5, 0.75, 1.0)
"""For how long clients vanish, in shares of the longest idle period."""
_BESIDE_DEAD = 4
# The longest idle period by default, and what the other defaults are shares of.
_LONGEST_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleOptions:
    """Options of `idle-probe`, named as the flags; durations in seconds. Raises ValueError.

    What is not given follows from `to_s`: with 120 s, periods from 30 s on, 5 s apart, and
    keepalives every 20 s; less where it is less.
    """

    from_s: float | None = None
    to_s: float = _LONGEST_S
    step_s: float | None = None
    """None beyond 120 s: just past the known defaults of products, instead of steps."""
    keepalive_s: float | None = None
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
    one_connection: bool = False
    """Over HTTP/2: the idle trials that are not probed are streams of one connection."""
    lifetime_s: float | None = None
    """Watch the connections that are kept alive until this age."""
    locate: bool | None = None
    """Find out where on the way idle flows die; None: where this process may (CAP_NET_RAW)."""

    def __post_init__(self) -> None:
        positive = {
            "--from": self.first_s,
            "--to": self.to_s,
            "--step": 1.0 if self.step_s is None else self.step_s,
            "--keepalive": self.gap_s,
            "--lifetime": 1.0 if self.lifetime_s is None else self.lifetime_s,
            "--pong-timeout": self.pong_timeout_s,
            "--repeat": self.repeat,
        }
        for flag, value in positive.items():
            if value <= 0:
                raise ValueError(f"{flag} must be more than zero")
        if self.to_s < self.first_s:
            raise ValueError(f"--to {self.to_s:g}s is shorter than --from {self.first_s:g}s")
        if self.max_connections < 1:
            raise ValueError("--max-connections must be at least 1")
        least = len(self.dead) + (len(AWAY) - 1) * ("vanish" in self.dead) + _BESIDE_DEAD
        if self.dead and self.max_connections < least:
            raise ValueError(f"--max-connections must be at least {least} for these trials")
        if "idle" not in self.trials:
            raise ValueError("--trials needs idle: without it nothing is measured")
        for kind in self.kept_alive:
            option = BEHAVIOURS[kind].text_from
            if option is not None and self.text_of(kind) is None:
                raise ValueError(f"{kind} needs --{option} TEXT")
        if self.expect is not None and self.send is None:
            raise ValueError("--expect needs --send TEXT")

    @property
    def kept_alive(self) -> tuple[TrialKind, ...]:
        """The trials of clients that live: idle ones, and those that are kept alive."""
        return tuple(kind for kind in self.trials if kind in BEHAVIOURS)

    @property
    def dead(self) -> tuple[DeadKind, ...]:
        """The trials of clients that are dead without a word."""
        return tuple(kind for kind in DEAD if kind in self.trials)

    @property
    def first_s(self) -> float:
        """The shortest idle period."""
        return min(30.0, self.to_s / 4) if self.from_s is None else self.from_s

    @property
    def gap_s(self) -> float:
        """The interval of keepalives."""
        return min(20.0, self.to_s / 6) if self.keepalive_s is None else self.keepalive_s

    @property
    def apart_s(self) -> float | None:
        """Between two idle periods; None: they lie just past the known defaults of products."""
        if self.step_s is not None:
            return self.step_s
        if self.to_s > _LONGEST_S:
            return None
        return min(5.0, max(0.01, (self.to_s - self.first_s) / 18))

    @property
    def longest_s(self) -> float:
        """The longest idle period to survive: `to_s`, or what is required if that is longer."""
        return max(self.to_s, self.require_s or 0.0)

    def text_of(self, kind: TrialKind) -> str | None:
        """The text that trials of a kind send; None: they send none, or it was not given."""
        option = BEHAVIOURS[kind].text_from
        return None if option is None else getattr(self, option)
