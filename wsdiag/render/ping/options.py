"""How `ping` is drawn, apart from what draws it: the command line reads this without rich."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PingViewOptions:
    """How the view for people looks.

    `window_s`: the stretch of time that the live chart shows. `y_max_ms`: its upper end, None: as
    the values need. `chart`: False for lines on a terminal too, with `timestamps` before each.
    """

    window_s: float = 60.0
    y_max_ms: float | None = None
    log_scale: bool = False
    chart: bool = True
    timestamps: bool = False
