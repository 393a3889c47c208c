"""What a path probe is asked for, checked before the connection is made."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PathOptions:
    """Options of `path`, named as the flags; durations in seconds. Raises ValueError."""

    count: int | None = None
    """Rounds; None: until the run is stopped."""
    interval_s: float = 1.0
    """Between the beginnings of two rounds; a round that takes longer delays the next."""
    names: bool = False
    """Whether names of addresses are asked for (reverse DNS)."""

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise ValueError("-c must be at least 1")
        if self.interval_s <= 0:
            raise ValueError("-i must be more than zero")
