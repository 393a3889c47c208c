"""What a probe measures, as plain dataclasses: the one vocabulary that probes and renderers share.

Field names are the names of the JSON records (docs: `wsdiag --json-schema`). Units are in the name:
`_ms` float milliseconds, `_s` float seconds. `None` means "could not be measured" and becomes null,
except in fields made by `optional()`, where it means "does not apply" and the field is left out.

Names are looked up when they are first asked for: making a dataclass takes a third of a
millisecond, and a Ping must not wait for the records of `check`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsdiag.probes.results.base import SCHEMA_VERSION as SCHEMA_VERSION
    from wsdiag.probes.results.base import Drop as Drop
    from wsdiag.probes.results.base import Error as Error
    from wsdiag.probes.results.base import ErrorKind as ErrorKind
    from wsdiag.probes.results.base import Hop as Hop
    from wsdiag.probes.results.base import How as How
    from wsdiag.probes.results.base import Phases as Phases
    from wsdiag.probes.results.base import optional as optional
    from wsdiag.probes.results.base import utc_now as utc_now
    from wsdiag.probes.results.check import CheckResult as CheckResult
    from wsdiag.probes.results.check import CheckSummary as CheckSummary
    from wsdiag.probes.results.check import Status as Status
    from wsdiag.probes.results.connect import ChainLink as ChainLink
    from wsdiag.probes.results.connect import CloseInfo as CloseInfo
    from wsdiag.probes.results.connect import ConnectResult as ConnectResult
    from wsdiag.probes.results.connect import HttpInfo as HttpInfo
    from wsdiag.probes.results.connect import TcpFacts as TcpFacts
    from wsdiag.probes.results.connect import TlsInfo as TlsInfo
    from wsdiag.probes.results.idle import Candidate as Candidate
    from wsdiag.probes.results.idle import IdleEvent as IdleEvent
    from wsdiag.probes.results.idle import IdleTrial as IdleTrial
    from wsdiag.probes.results.idle import IdleVerdict as IdleVerdict
    from wsdiag.probes.results.idle import Keepalive as Keepalive
    from wsdiag.probes.results.idle import Outcome as Outcome
    from wsdiag.probes.results.idle import Range as Range
    from wsdiag.probes.results.idle import Trial as Trial
    from wsdiag.probes.results.idle import TrialActivity as TrialActivity
    from wsdiag.probes.results.idle import TrialStarted as TrialStarted
    from wsdiag.probes.results.idle import Verdict as Verdict
    from wsdiag.probes.results.ping import Attribution as Attribution
    from wsdiag.probes.results.ping import Cause as Cause
    from wsdiag.probes.results.ping import Clock as Clock
    from wsdiag.probes.results.ping import Load as Load
    from wsdiag.probes.results.ping import PingClosed as PingClosed
    from wsdiag.probes.results.ping import PingEvent as PingEvent
    from wsdiag.probes.results.ping import PingLost as PingLost
    from wsdiag.probes.results.ping import PingReply as PingReply
    from wsdiag.probes.results.ping import PingStart as PingStart
    from wsdiag.probes.results.ping import PingSummary as PingSummary
    from wsdiag.probes.results.ping import Threshold as Threshold
    from wsdiag.probes.results.records import Record as Record
    from wsdiag.probes.results.serve import ServeEvent as ServeEvent
    from wsdiag.probes.results.serve import ServeListening as ServeListening

_HOMES = {
    "base": "SCHEMA_VERSION Drop Error ErrorKind Hop How Phases optional utc_now",
    "connect": "ChainLink CloseInfo ConnectResult HttpInfo TcpFacts TlsInfo",
    "ping": "Attribution Cause Clock Load PingClosed PingEvent PingLost PingReply PingStart "
    "PingSummary Threshold",
    "idle": "Candidate IdleEvent IdleTrial IdleVerdict Keepalive Outcome Range Trial "
    "TrialActivity TrialStarted Verdict",
    "check": "CheckResult CheckSummary Status",
    "serve": "ServeEvent ServeListening",
    "records": "Record",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

if not TYPE_CHECKING:  # or a misspelt name would be Any instead of an error

    def __getattr__(name: str) -> Any:
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
