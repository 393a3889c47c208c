"""Every record there is, in the order of the schema: what writes JSON, and what reads it back."""

from __future__ import annotations

from typing import get_args

from wsdiag.records.base import Error
from wsdiag.records.check import CheckResult, CheckSummary
from wsdiag.records.connect import ConnectResult
from wsdiag.records.explain import ExplainConnection, ExplainVerdict
from wsdiag.records.exporter import ExporterEvent, ExporterListening
from wsdiag.records.idle import IdleTrial, IdleVerdict
from wsdiag.records.path import PathHop, PathSummary
from wsdiag.records.ping import (
    PingClosed,
    PingLost,
    PingOutage,
    PingReply,
    PingResumed,
    PingStart,
    PingSummary,
    PingWaiting,
)
from wsdiag.records.serve import ServeEvent, ServeListening
from wsdiag.records.stream import (
    StreamEvent,
    StreamInterval,
    StreamMessage,
    StreamStart,
    StreamSummary,
)
from wsdiag.transport.trace import TraceEvent

RECORDS: tuple[type, ...] = (
    ConnectResult,
    PingStart,
    PingReply,
    PingLost,
    PingWaiting,
    PingResumed,
    PingClosed,
    PingOutage,
    PingSummary,
    IdleTrial,
    IdleVerdict,
    StreamStart,
    StreamMessage,
    StreamInterval,
    StreamEvent,
    StreamSummary,
    PathHop,
    PathSummary,
    CheckResult,
    CheckSummary,
    ExplainConnection,
    ExplainVerdict,
    ServeListening,
    ServeEvent,
    ExporterListening,
    ExporterEvent,
    Error,
    *get_args(TraceEvent),
)
