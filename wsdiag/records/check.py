"""What `check` judges: each rule and limit, and how many held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from wsdiag.records.base import optional

Status = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Record `check.result`: one rule or limit, judged."""

    type: ClassVar[str] = "check.result"
    id: str
    url: str
    group: str
    status: Status
    measured: str | float | None = None
    limit: str | float | None = optional()
    detail: str = ""
    rule: str | None = optional()
    took_ms: float | None = None
    why: str | None = optional()
    endpoint: str | None = optional()
    """The endpoint's name, where a file gives it one."""
    unmeasured: bool | None = optional()
    """True for a skip that was not wanted: asked for, but something kept it from being judged."""


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """Record `check.summary`: counts over all endpoints."""

    type: ClassVar[str] = "check.summary"
    passed: int
    warned: int
    failed: int
    skipped: int
    duration_s: float
    unmeasured: int | None = optional()
    """How many of the skipped were asked for but could not be judged; the exit code is then 1."""
    unreachable: int | None = optional()
    """How many endpoints gave no usable answer; the exit code is then 1."""
