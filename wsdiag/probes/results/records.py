"""Every record there is."""

from __future__ import annotations

from wsdiag.probes.results.base import Error
from wsdiag.probes.results.check import CheckResult, CheckSummary
from wsdiag.probes.results.connect import ConnectResult
from wsdiag.probes.results.idle import IdleTrial, IdleVerdict
from wsdiag.probes.results.ping import PingClosed, PingLost, PingReply, PingStart, PingSummary
from wsdiag.probes.results.serve import ServeEvent, ServeListening

Record = (
    ConnectResult | PingStart | PingReply | PingLost | PingClosed | PingSummary | IdleTrial
    | IdleVerdict | CheckResult | CheckSummary | ServeListening | ServeEvent | Error
)  # fmt: skip
