"""Durations and sizes as users write and read them: `250ms`, `1m30s`, `16k`, `4M`."""

from __future__ import annotations

import math
import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = r"(\d+(?:\.\d+)?|\.\d+)(us|ms|s|m|h|d)"
_BARE_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SIZE = r"(\d+)([kKmMgG]?)(?:i?[bB])?"
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_duration(text: str) -> float:
    """Seconds in `250ms`, `2s`, `1m30s` or bare seconds (`0.5`); ValueError otherwise."""
    compact = text.strip()
    if re.fullmatch(_BARE_NUMBER, compact, re.ASCII):
        return _finite(float(compact), text)
    parts = re.findall(_DURATION_PART, compact, re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is not a duration: write 250ms, 2s, 1m30s or bare seconds")
    return _finite(sum(float(number) * _SECONDS[unit] for number, unit in parts), text)


def _finite(seconds: float, text: str) -> float:
    if not math.isfinite(seconds):
        raise ValueError(f"{text!r} is too long a duration")
    return seconds


def parse_size(text: str) -> int:
    """Bytes in `64`, `16k`, `4M` (powers of 1024); ValueError otherwise."""
    match = re.fullmatch(_SIZE, text.strip(), re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a size: write 64, 16k or 4M")
    return int(match[1]) * _BYTES[match[2].lower()]


def format_duration(seconds: float) -> str:
    """Shortest reading of a duration: `250 ms`, `2 s`, `1.5 s`, `1 m 30 s`, `2 h 5 m`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    days, hours, minutes, rest = (whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60)
    pairs = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    shown = [f"{value} {unit}" for value, unit in pairs if value]
    return " ".join(shown[:2])


def format_size(count: int) -> str:
    """Bytes for people, in powers of 1024: `64 B`, `1.5 KiB`, `16 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.4g} {unit}"
