"""With --reconnect: times without answers, from what ended them to the first answer after them.

An outage begins when a connection ends; where it fell silent (an answer is overdue), when the first
Ping left that was not answered; and with the first attempt to connect, where none was answered
before. It is over when a Ping is answered, be it on the same connection, and not when TCP connects
or the upgrade succeeds: a proxy in front of a dead endpoint does both.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from wsdiag.judgement.totals import Outages
from wsdiag.records import Drop, PingDialling, PingOutage, utc_now


class OutageLog:
    """One URL's outages: `down` and `up` say when, `totals` what they come to.

    Times are in s, of a clock that leaves out when this process did not run.
    """

    def __init__(self, url: str, target: int | None, began_s: float) -> None:
        """`began_s`: when the first attempt to connect began."""
        self._url, self._target, self._watched_from_s = url, target, began_s
        self._down_since_s: float | None = None
        self._answered = False
        self._began: datetime | None = None
        self._drop: Drop | None = None
        self._attempts = 0
        self._errors: Counter[str] = Counter()
        self._past = Outages()

    @property
    def is_down(self) -> bool:
        """Whether there is one now."""
        return self._down_since_s is not None

    def down(self, since_s: float, now_s: float, drop: Drop | None = None) -> None:
        """Nothing is answered since `since_s`; within an outage, only its first `drop` is news."""
        if self._down_since_s is None:
            since_s = since_s if self._answered else self._watched_from_s
            self._down_since_s, self._drop = since_s, None
            self._began = utc_now() - timedelta(seconds=now_s - since_s)
            self._attempts, self._errors = 0, Counter()
        self._drop = self._drop or drop

    def attempt(self, why: str) -> PingDialling | None:
        """An attempt to connect begins, `why` the one before failed; None when nothing is down."""
        if self._began is None:
            return None
        self._attempts += 1
        return PingDialling(self._url, self._began, self._attempts, why, self._target)

    def failed(self, kind: str) -> None:
        """An attempt came to an error of this kind."""
        self._errors[kind] += 1
        self._attempts = max(self._attempts, 1)

    def up(self, now_s: float, *, over: bool = True) -> PingOutage | None:
        """A Ping was answered, or (not `over`) the run ends; the outage that was, if there was."""
        self._answered |= over
        if self._down_since_s is None or self._began is None:
            return None
        down_s = now_s - self._down_since_s
        past = self._past
        past.count += 1
        past.down_s += down_s
        past.longest_s = max(past.longest_s, down_s)
        outage = PingOutage(
            self._url,
            self._began,
            down_s,
            self._attempts,
            self._drop,
            dict(self._errors),
            over,
            self._target,
        )
        self._down_since_s = self._began = None
        return outage

    def totals(self, now_s: float) -> Outages:
        """All so far, the one that goes on included."""
        past, since_s = self._past, self._down_since_s
        down_s = 0.0 if since_s is None else now_s - since_s
        return Outages(
            count=past.count + self.is_down,
            down_s=past.down_s + down_s,
            longest_s=max(past.longest_s, down_s),
            watched_s=now_s - self._watched_from_s,
        )
