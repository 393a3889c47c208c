"""Figures as users write and read them: durations, sizes, milliseconds, percentages, counts.

The only place that formats one: the same figure reads the same in a table, in a sentence and in an
error. Where a figure may be missing, None becomes `-`, which keeps a column's alignment.
"""

from __future__ import annotations

import math
import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION_PART = r"(\d+(?:\.\d+)?|\.\d+)(us|ms|s|m|h|d)"
_BARE_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SIZE = r"(\d+)([kKmMgG]?)(?:i?[bB])?"
_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def parse_port(digits: str) -> int | None:
    """1 to 65535 in decimal digits, zeros before them allowed; None: not a port."""
    if not (digits.isascii() and digits.isdigit()):
        return None
    significant = digits.lstrip("0")
    port = int(significant) if 0 < len(significant) <= 5 else 0
    return port if 0 < port < 65536 else None


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


# -- durations ---------------------------------------------------------------------------------


def format_duration(seconds: float) -> str:
    """Shortest reading of a duration: `250 ms`, `2 s`, `1.5 s`, `1 m 30 s`, `2 h 5 m`."""
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 0.9995:
        return f"{seconds * 1e3:.3g} ms"
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    return " ".join(f"{value} {unit}" for value, unit in _parts(seconds)[:2])


def format_moment(seconds: float) -> str:
    """A moment on a time axis, in few columns: `0.5s`, `90s`, `2m30s`, `2h`."""
    if seconds < 120:
        return f"{seconds:.4g}s"
    return "".join(f"{value}{unit}" for value, unit in _parts(seconds))


def _parts(seconds: float) -> list[tuple[int, str]]:
    whole = round(seconds)
    days, hours, minutes, rest = (whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60)
    pairs = ((days, "d"), (hours, "h"), (minutes, "m"), (rest, "s"))
    return [(value, unit) for value, unit in pairs if value]


def format_seconds(value: float | None) -> str:
    """Seconds as an idle probe measures and products configure them: `60 s`, `2.75 s`, `0.25 s`."""
    return "-" if value is None else f"{round(value, 2 if value < 10 else 1):.10g} s"


# -- milliseconds ------------------------------------------------------------------------------


def format_ms(value: float | None) -> str:
    """Milliseconds to three digits without unit, as ping(8) has them: `0.412`, `12.3`, `1234`."""
    if value is None:
        return "-"
    if value < 0:
        return "-" + format_ms(-value)
    if value < 0.9995:
        return f"{value:.3f}"
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def format_lags(*values_ms: float | None) -> str:
    """Ages by two clocks: `12.3/45.6 ms`; durations where one is a minute or more: `-1 h/2 s`."""
    if any(value is not None and abs(value) >= 59_950 for value in values_ms):
        return "/".join("-" if ms is None else format_duration(ms / 1e3) for ms in values_ms)
    said = "/".join(map(format_ms, values_ms))
    return said if said == "-" else f"{said} ms"


def format_rough_ms(value: float) -> str:
    """Milliseconds in a sentence, to two digits without unit: `0.12`, `4.8`, `48`, `1203`."""
    if abs(value) < 1:
        return f"{value:.2g}"
    return f"{value:.1f}".removesuffix(".0") if abs(value) < 10 else f"{value:.0f}"


def format_latency(value_ms: float, micro: str = "µ") -> str:
    """A round value in the unit that suits it, as on an axis: `200 µs`, `5 ms`, `1.5 s`."""
    if value_ms == 0:
        return "0"
    if value_ms < 0.9995:
        return f"{value_ms * 1e3:.4g} {micro}s"
    return f"{value_ms:.4g} ms" if value_ms < 999.5 else f"{value_ms / 1e3:.4g} s"


# -- everything else ---------------------------------------------------------------------------


def format_size(count: int) -> str:
    """Bytes for people, in powers of 1024: `64 B`, `1.5 KiB`, `16 MiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"


def format_percent(value: float | None) -> str:
    """A percentage that never rounds a loss to `0%`, nor a survivor to `100%`."""
    if value is None:
        return "-"
    if 0 < value < 0.1:
        return "<0.1%"
    return f"{min(value, 99.9) if value < 100 else value:.3g}%"


def format_number(value: float) -> str:
    """A limit or a measured value beside it, to four digits: `250`, `99.5`, `12345`."""
    return f"{value:.4g}" if abs(value) < 9999.5 else f"{value:.0f}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 reply`, `2 replies`."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def times(count: int) -> str:
    """How often: `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
