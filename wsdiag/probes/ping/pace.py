"""How Pings follow each other."""

from __future__ import annotations

from dataclasses import dataclass

from wsdiag.probes.ping.payloads import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How Pings follow each other; times in seconds, `size` in bytes of payload."""

    interval: float
    timeout: float
    mode: Mode
    size: int
    count: int | None = None
    wait_for_replies: bool = False
    """With a deadline: go on until `count` replies came, as ping(8) does."""
    flood: bool = False
    adaptive: bool = False
    give_up_silent: bool = False
    """End as `silent` after three losses in a row without a byte from the peer."""

    @property
    def by_reply(self) -> bool:
        """Whether answers, not the clock, say when the next Ping leaves."""
        return self.flood or self.adaptive
