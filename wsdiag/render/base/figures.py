"""Figures for the eye: milliseconds to three digits, bytes, percentages, counted nouns."""

from __future__ import annotations


def ms(value: float | None) -> str:
    """Milliseconds to three significant digits, as ping(8) prints them: `0.412`, `12.3`, `1234`."""
    if value is None:
        return "-"
    if value < 0.9995:
        return f"{value:.3f}"
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def percent(value: float | None) -> str:
    """A percentage that never rounds a loss to `0%`, nor a survivor to `100%`."""
    if value is None:
        return "-"
    if 0 < value < 0.1:
        return "<0.1%"
    return f"{min(value, 99.9) if value < 100 else value:.3g}%"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 reply`, `2 replies`."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def seconds(value: float | None) -> str:
    """Seconds as an idle probe measures them: `60 s`, `60.01 s`, `2.5 s`."""
    if value is None:
        return "-"
    return f"{value:.2f}".rstrip("0").rstrip(".") + " s"
