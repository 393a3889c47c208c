"""Limits of a feed, which `stream` and `check --stream` share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from wsdiag.cli.params import DURATION

LIMITS = "Limits (exit code 3 where one does not hold)"
limit = partial(typer.Option, rich_help_panel=LIMITS)


@dataclass(frozen=True, kw_only=True)
class FeedLimits:
    """What must hold of an endpoint's messages; named as the fields of StreamOptions."""

    max_silence_s: Annotated[
        float | None,
        limit("--max-silence", help="Limit of the time without a message.", **DURATION),
    ] = None
    max_gap: Annotated[
        int | None, limit("--max-gap", min=0, metavar="N", help="Limit of missing numbers (--seq).")
    ] = None
    max_lag_s: Annotated[
        float | None, limit("--max-lag", help="Limit of the largest lag (--time).", **DURATION)
    ] = None
    min_rate: Annotated[
        float | None, limit("--min-rate", min=0, metavar="N", help="Least messages a second.")
    ] = None

    def refuse_unmeasured(self, seq: str | None, time: str | None) -> None:
        """A usage error for a limit without the path to what it is measured by."""
        if self.max_gap is not None and seq is None:
            _needs("--max-gap", "--seq: which numbers are to follow each other")
        if self.max_lag_s is not None and time is None:
            _needs("--max-lag", "--time: where a message says when it is of")

    def refuse_unwatched(self) -> None:
        """A usage error for a limit where no messages are watched."""
        given = {
            "--max-silence": self.max_silence_s,
            "--max-gap": self.max_gap,
            "--max-lag": self.max_lag_s,
            "--min-rate": self.min_rate,
        }
        for option, value in given.items():
            if value is not None:
                _needs(option, "--stream: for how long to watch")


def _needs(option: str, what: str) -> None:
    raise typer.BadParameter(f"it needs {what}", param_hint=option)
