"""wsdiag: ping, mtr and curl -v for WebSockets.

Public are the names imported here: `connect()`, `ping()`, `idle_probe()`, `stream()`, `path()`,
`check()`, `explain()`, `serve()`, `Exporter`, the classes of their options and results, and
`wsdiag.protocol`, a sans-I/O codec. All else may change.

The packages, each importing only from those below it:

cli, api    the command line, and the same for Python
exporter    endpoints watched all the time, as metrics for Prometheus
render      records in; terminal views, NDJSON, CSV, JUnit, SVG out
probes      what is measured: connect, ping, idle-probe, stream, path, check
capture     what was recorded: captures, HAR files, access logs
server      `serve`, an endpoint that misbehaves as asked
judgement   from records to conclusions, without measuring
records     one dataclass a JSON record
transport   sockets, TLS and the clock
protocol    WebSocket without I/O
units, statistics   figures, read, written and summed up
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsdiag._lazy import lazy_exports
from wsdiag.version import __version__ as __version__

if TYPE_CHECKING:
    from wsdiag import protocol as protocol
    from wsdiag.api import check as check
    from wsdiag.api import connect as connect
    from wsdiag.api import explain as explain
    from wsdiag.api import idle_probe as idle_probe
    from wsdiag.api import path as path
    from wsdiag.api import ping as ping
    from wsdiag.api import serve as serve
    from wsdiag.api import stream as stream
    from wsdiag.exporter.config import ExporterConfig as ExporterConfig
    from wsdiag.exporter.config import ExporterTarget as ExporterTarget
    from wsdiag.exporter.exporter import Exporter as Exporter
    from wsdiag.probes.check.options import CheckOptions as CheckOptions
    from wsdiag.probes.check.options import HeaderExpectation as HeaderExpectation
    from wsdiag.probes.common.jsonpath import JsonExpectation as JsonExpectation
    from wsdiag.probes.idle.options import IdleOptions as IdleOptions
    from wsdiag.probes.path.options import PathOptions as PathOptions
    from wsdiag.probes.ping.options import PingOptions as PingOptions
    from wsdiag.probes.stream.options import StreamOptions as StreamOptions
    from wsdiag.records import Attribution as Attribution
    from wsdiag.records import Candidate as Candidate
    from wsdiag.records import ChainLink as ChainLink
    from wsdiag.records import CheckResult as CheckResult
    from wsdiag.records import CheckSummary as CheckSummary
    from wsdiag.records import CloseInfo as CloseInfo
    from wsdiag.records import ConnectResult as ConnectResult
    from wsdiag.records import DeadClient as DeadClient
    from wsdiag.records import DialectInfo as DialectInfo
    from wsdiag.records import Drop as Drop
    from wsdiag.records import Error as Error
    from wsdiag.records import ExplainConnection as ExplainConnection
    from wsdiag.records import ExplainVerdict as ExplainVerdict
    from wsdiag.records import ExporterEvent as ExporterEvent
    from wsdiag.records import HelloInfo as HelloInfo
    from wsdiag.records import Hop as Hop
    from wsdiag.records import Http2Info as Http2Info
    from wsdiag.records import Http2RoundTrips as Http2RoundTrips
    from wsdiag.records import HttpInfo as HttpInfo
    from wsdiag.records import IdleEvent as IdleEvent
    from wsdiag.records import IdleTrial as IdleTrial
    from wsdiag.records import IdleVerdict as IdleVerdict
    from wsdiag.records import Load as Load
    from wsdiag.records import Location as Location
    from wsdiag.records import Message as Message
    from wsdiag.records import OtherSender as OtherSender
    from wsdiag.records import PathEvent as PathEvent
    from wsdiag.records import PathHop as PathHop
    from wsdiag.records import PathStart as PathStart
    from wsdiag.records import PathSummary as PathSummary
    from wsdiag.records import Phases as Phases
    from wsdiag.records import PingClosed as PingClosed
    from wsdiag.records import PingDialling as PingDialling
    from wsdiag.records import PingEvent as PingEvent
    from wsdiag.records import PingLost as PingLost
    from wsdiag.records import PingNotice as PingNotice
    from wsdiag.records import PingOutage as PingOutage
    from wsdiag.records import PingReply as PingReply
    from wsdiag.records import PingResumed as PingResumed
    from wsdiag.records import PingSent as PingSent
    from wsdiag.records import PingStart as PingStart
    from wsdiag.records import PingSummary as PingSummary
    from wsdiag.records import PingSuspended as PingSuspended
    from wsdiag.records import PingWaiting as PingWaiting
    from wsdiag.records import Range as Range
    from wsdiag.records import SlowReader as SlowReader
    from wsdiag.records import TcpFacts as TcpFacts
    from wsdiag.records import Threshold as Threshold
    from wsdiag.records import TlsInfo as TlsInfo
    from wsdiag.records import TracedHop as TracedHop
    from wsdiag.records import TrialActivity as TrialActivity
    from wsdiag.records import TrialStarted as TrialStarted
    from wsdiag.records.stream import Gaps as Gaps
    from wsdiag.records.stream import Interarrival as Interarrival
    from wsdiag.records.stream import KeyFigures as KeyFigures
    from wsdiag.records.stream import Lag as Lag
    from wsdiag.records.stream import Sizes as Sizes
    from wsdiag.records.stream import StreamClosed as StreamClosed
    from wsdiag.records.stream import StreamDialling as StreamDialling
    from wsdiag.records.stream import StreamEvent as StreamEvent
    from wsdiag.records.stream import StreamInterval as StreamInterval
    from wsdiag.records.stream import StreamMessage as StreamMessage
    from wsdiag.records.stream import StreamPings as StreamPings
    from wsdiag.records.stream import StreamProgress as StreamProgress
    from wsdiag.records.stream import StreamStart as StreamStart
    from wsdiag.records.stream import StreamSummary as StreamSummary
    from wsdiag.server import Server as Server
    from wsdiag.server import ServerOptions as ServerOptions
    from wsdiag.transport.dial.options import DialOptions as DialOptions
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "protocol": "protocol",
            "api": "check connect explain idle_probe path ping serve stream",
            "exporter.config": "ExporterConfig ExporterTarget",
            "exporter.exporter": "Exporter",
            "probes.common.jsonpath": "JsonExpectation",
            "probes.check.options": "CheckOptions HeaderExpectation",
            "probes.idle.options": "IdleOptions",
            "probes.path.options": "PathOptions",
            "probes.ping.options": "PingOptions",
            "probes.stream.options": "StreamOptions",
            "records": "Attribution Candidate ChainLink CheckResult CheckSummary CloseInfo "
            "ConnectResult DeadClient DialectInfo "
            "Drop Error "
            "ExplainConnection ExplainVerdict ExporterEvent HelloInfo Hop "
            "Http2Info Http2RoundTrips HttpInfo IdleEvent IdleTrial IdleVerdict Load "
            "Location Message OtherSender PathEvent "
            "PathHop PathStart PathSummary Phases PingClosed PingDialling "
            "PingEvent PingLost PingNotice PingOutage PingReply PingResumed PingSent PingStart "
            "PingSummary PingSuspended PingWaiting Range SlowReader TcpFacts Threshold TlsInfo "
            "TracedHop TrialActivity TrialStarted",
            "records.stream": "Gaps Interarrival KeyFigures Lag Sizes StreamClosed "
            "StreamDialling StreamEvent StreamInterval StreamMessage StreamPings StreamProgress "
            "StreamStart StreamSummary",
            "server": "Server ServerOptions",
            "transport.dial.options": "DialOptions",
        },
    )
    __all__ += ["__version__"]
