"""What a probe measures, as plain dataclasses: the vocabulary that probes and renderers share.

base       what several commands share: phases, the end of a connection, an error
connect, ping, idle, stream, path, check, serve   each command's records, in order of emission
drops      how the end of a connection reads in English
waits      what a run waits for, in English

A record is a frozen dataclass with a `type`; its fields are the members of the JSON object, each
described in its annotation, from which the schema and docs/json.md are made. Units are in the name:
`_ms` float milliseconds, `_s` float seconds. `None` means "could not be measured" and becomes null,
except in fields made by `optional()`, where it means "does not apply" and the member is left out.

Names are looked up when they are first asked for: making a dataclass takes a third of a
millisecond, and a Ping must not wait for the records of `check`. Descriptions cost nothing at
start-up, because annotations are not evaluated until the schema is made.

May import transport (for what it shares with it), and nothing above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag._lazy import lazy_exports

if TYPE_CHECKING:
    from wsdiag.records.base import SCHEMA_VERSION as SCHEMA_VERSION
    from wsdiag.records.base import DialectInfo as DialectInfo
    from wsdiag.records.base import Drop as Drop
    from wsdiag.records.base import DropHow as DropHow
    from wsdiag.records.base import Error as Error
    from wsdiag.records.base import ErrorKind as ErrorKind
    from wsdiag.records.base import HelloInfo as HelloInfo
    from wsdiag.records.base import Hop as Hop
    from wsdiag.records.base import OtherSender as OtherSender
    from wsdiag.records.base import Phases as Phases
    from wsdiag.records.base import optional as optional
    from wsdiag.records.base import utc_now as utc_now
    from wsdiag.records.check import CheckResult as CheckResult
    from wsdiag.records.check import CheckSummary as CheckSummary
    from wsdiag.records.check import Status as Status
    from wsdiag.records.connect import ChainLink as ChainLink
    from wsdiag.records.connect import CloseInfo as CloseInfo
    from wsdiag.records.connect import ConnectResult as ConnectResult
    from wsdiag.records.connect import Http2Info as Http2Info
    from wsdiag.records.connect import HttpInfo as HttpInfo
    from wsdiag.records.connect import Message as Message
    from wsdiag.records.connect import TcpFacts as TcpFacts
    from wsdiag.records.connect import TlsInfo as TlsInfo
    from wsdiag.records.explain import Counts as Counts
    from wsdiag.records.explain import ExplainConnection as ExplainConnection
    from wsdiag.records.explain import ExplainVerdict as ExplainVerdict
    from wsdiag.records.explain import RoundTrips as RoundTrips
    from wsdiag.records.exporter import ExporterEvent as ExporterEvent
    from wsdiag.records.exporter import ExporterListening as ExporterListening
    from wsdiag.records.idle import Candidate as Candidate
    from wsdiag.records.idle import DeadClient as DeadClient
    from wsdiag.records.idle import DeadKind as DeadKind
    from wsdiag.records.idle import IdleEvent as IdleEvent
    from wsdiag.records.idle import IdleTrial as IdleTrial
    from wsdiag.records.idle import IdleVerdict as IdleVerdict
    from wsdiag.records.idle import KeepaliveOutcome as KeepaliveOutcome
    from wsdiag.records.idle import Location as Location
    from wsdiag.records.idle import Outcome as Outcome
    from wsdiag.records.idle import Range as Range
    from wsdiag.records.idle import TracedHop as TracedHop
    from wsdiag.records.idle import TrialActivity as TrialActivity
    from wsdiag.records.idle import TrialKind as TrialKind
    from wsdiag.records.idle import TrialStarted as TrialStarted
    from wsdiag.records.idle import Verdict as Verdict
    from wsdiag.records.path import HopKind as HopKind
    from wsdiag.records.path import PathEvent as PathEvent
    from wsdiag.records.path import PathHop as PathHop
    from wsdiag.records.path import PathMethod as PathMethod
    from wsdiag.records.path import PathStart as PathStart
    from wsdiag.records.path import PathSummary as PathSummary
    from wsdiag.records.ping import Attribution as Attribution
    from wsdiag.records.ping import Cause as Cause
    from wsdiag.records.ping import Clock as Clock
    from wsdiag.records.ping import Http2RoundTrips as Http2RoundTrips
    from wsdiag.records.ping import Load as Load
    from wsdiag.records.ping import PingClosed as PingClosed
    from wsdiag.records.ping import PingDialling as PingDialling
    from wsdiag.records.ping import PingEvent as PingEvent
    from wsdiag.records.ping import PingLost as PingLost
    from wsdiag.records.ping import PingNotice as PingNotice
    from wsdiag.records.ping import PingOutage as PingOutage
    from wsdiag.records.ping import PingReply as PingReply
    from wsdiag.records.ping import PingResumed as PingResumed
    from wsdiag.records.ping import PingSent as PingSent
    from wsdiag.records.ping import PingStart as PingStart
    from wsdiag.records.ping import PingSummary as PingSummary
    from wsdiag.records.ping import PingSuspended as PingSuspended
    from wsdiag.records.ping import PingWaiting as PingWaiting
    from wsdiag.records.ping import SlowReader as SlowReader
    from wsdiag.records.ping import Threshold as Threshold
    from wsdiag.records.serve import ServeEvent as ServeEvent
    from wsdiag.records.serve import ServeListening as ServeListening
    from wsdiag.records.stream import Gaps as Gaps
    from wsdiag.records.stream import Interarrival as Interarrival
    from wsdiag.records.stream import KeyFigures as KeyFigures
    from wsdiag.records.stream import Lag as Lag
    from wsdiag.records.stream import Sizes as Sizes
    from wsdiag.records.stream import StreamEvent as StreamEvent
    from wsdiag.records.stream import StreamInterval as StreamInterval
    from wsdiag.records.stream import StreamMessage as StreamMessage
    from wsdiag.records.stream import StreamPings as StreamPings
    from wsdiag.records.stream import StreamStart as StreamStart
    from wsdiag.records.stream import StreamSummary as StreamSummary
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "base": "SCHEMA_VERSION DialectInfo Drop DropHow Error ErrorKind HelloInfo Hop "
            "OtherSender Phases optional utc_now",
            "connect": "ChainLink CloseInfo ConnectResult Http2Info HttpInfo Message TcpFacts "
            "TlsInfo",
            "ping": "Attribution Cause Clock Http2RoundTrips Load PingClosed PingDialling "
            "PingEvent PingLost PingNotice PingOutage PingReply PingResumed PingSent PingStart "
            "PingSummary PingSuspended PingWaiting SlowReader Threshold",
            "idle": "Candidate IdleEvent IdleTrial IdleVerdict KeepaliveOutcome Location Outcome "
            "DeadClient DeadKind Range TracedHop TrialActivity TrialKind TrialStarted Verdict",
            "path": "HopKind PathEvent PathHop PathMethod PathStart PathSummary",
            "check": "CheckResult CheckSummary Status",
            "serve": "ServeEvent ServeListening",
            "exporter": "ExporterEvent ExporterListening",
            "stream": "Gaps Interarrival KeyFigures Lag Sizes StreamEvent StreamInterval "
            "StreamMessage StreamPings StreamStart StreamSummary",
            "explain": "Counts ExplainConnection ExplainVerdict RoundTrips",
        },
    )
