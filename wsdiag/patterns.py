"""Regular expressions of users, which read what a peer sent: compiled with care, run bounded.

`(a+)+$` takes exponential time over a few dozen characters that a peer may choose, and Python's
engine holds the interpreter's lock all the while, so that a thread to be given up would not help.
But it does look for signals, and a handler's exception ends the search: so a timer of the process's
own CPU time bounds each one. Signals reach the main thread only, where the commands run their loop.
"""

from __future__ import annotations

import re
import signal
import threading
import warnings
from types import FrameType

LIMIT_S = 0.04
"""CPU seconds for one search."""
LONGEST = 4096
"""Characters; to compile one takes quadratic time."""
_SHOWN_CHARS = 60


class PatternTooSlow(Exception):
    """A search that was given up; the message says of what."""


def compile_regex(text: str) -> re.Pattern[str]:
    """A regular expression of Python's syntax; ValueError says where it is wrong."""
    if len(text) > LONGEST:
        raise ValueError(f"a regular expression may have {LONGEST} characters, not {len(text):,}")
    try:
        with warnings.catch_warnings():  # of syntax that a later Python may read in another way
            warnings.simplefilter("ignore")
            return re.compile(text)
    except (re.error, OverflowError) as error:
        problem = str(error)
    except RecursionError:
        problem = "it is nested too deeply"
    raise ValueError(f"{_shown(text)} is not a regular expression: {problem}") from None


def matches(pattern: re.Pattern[str], text: str) -> bool:
    """Whether the expression is found in `text`; PatternTooSlow after `LIMIT_S`.

    Unbounded outside the main thread, and where there are no such timers (Windows).
    """
    bounded = hasattr(signal, "setitimer")
    if not bounded or threading.current_thread() is not threading.main_thread():
        return pattern.search(text) is not None

    def give_up(number: int, frame: FrameType | None) -> None:
        raise PatternTooSlow(
            f"the regular expression {_shown(pattern.pattern)} took more than "
            f"{LIMIT_S * 1e3:g} ms on {len(text):,} characters and was given up: "
            "write it without repetitions inside repetitions"
        )

    before = signal.signal(signal.SIGVTALRM, give_up)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
        return pattern.search(text) is not None
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…")
