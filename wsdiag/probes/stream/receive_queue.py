"""How full our own receive queue was: whether our reading was the limit."""

from __future__ import annotations

# Looks, ten a second, before anything is said.
_FEWEST_LOOKS = 5


class ReceiveQueue:
    """What was seen each time somebody looked."""

    __slots__ = ("_looked", "_too_full", "most", "now")

    def __init__(self) -> None:
        self.now: int | None = None
        """Bytes that waited at the last look; None: not known."""
        self.most: int | None = None
        self._looked = self._too_full = 0

    def looked(self, unread_bytes: int | None, room_bytes: int | None) -> None:
        """Note how full it is; half of its room is too full."""
        self.now = unread_bytes
        if unread_bytes is None:
            return
        self.most = max(self.most or 0, unread_bytes)
        self._looked += 1
        self._too_full += bool(room_bytes) and unread_bytes >= (room_bytes or 0) / 2

    @property
    def too_slow_pct(self) -> float | None:
        """How often it was too full, in percent of the looks; None: too few of them."""
        if self._looked < _FEWEST_LOOKS:
            return None
        return 100.0 * self._too_full / self._looked
