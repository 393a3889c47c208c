"""`wsdiag demo`: the tour against a built-in endpoint on loopback."""

from __future__ import annotations


def demo() -> None:
    """A tour in under 30 seconds, against a built-in endpoint: nothing to set up."""
