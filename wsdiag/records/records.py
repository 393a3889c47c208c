"""Every record there is."""

from __future__ import annotations

from wsdiag.records.base import Error
from wsdiag.records.check import CheckResult, CheckSummary
from wsdiag.records.connect import ConnectResult
from wsdiag.records.idle import IdleTrial, IdleVerdict
from wsdiag.records.ping import PingClosed, PingLost, PingReply, PingStart, PingSummary
from wsdiag.records.serve import ServeEvent, ServeListening

Record = (
    ConnectResult
    | PingStart
    | PingReply
    | PingLost
    | PingClosed
    | PingSummary
    | IdleTrial
    | IdleVerdict
    | CheckResult
    | CheckSummary
    | ServeListening
    | ServeEvent
    | Error
)
