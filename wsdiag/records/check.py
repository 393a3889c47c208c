"""What `check` judges: each rule and limit, and how many held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import optional

Status = Literal["pass", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Record `check.result`: one check, judged."""

    type: ClassVar[str] = "check.result"
    id: Annotated[str, "The check's name, as `--only` takes it"]
    url: Annotated[str, "The endpoint that was checked, its credentials masked"]
    group: Annotated[str, "`fitness`, `conformance` or `adversarial`"]
    status: Annotated[Status, "The result"]
    measured: Annotated[str | float | None, "What was measured or seen; null if nothing was"] = None
    limit: Annotated[str | float | None, "What was asked for, in the unit of `measured`"] = (
        optional()
    )
    detail: Annotated[str, "Details for people"] = ""
    rule: Annotated[str | None, "The section of the RFC"] = optional()
    took_ms: Annotated[
        float | None, "How long it took, in milliseconds; null if not measured separately"
    ] = None
    why: Annotated[str | None, "Why this check matters"] = optional()
    endpoint: Annotated[str | None, "The endpoint's name in the file, if it has one"] = optional()
    unmeasured: Annotated[
        bool | None,
        "True for a skip that was not intended: the check applies, but could not be judged",
    ] = optional()
    target: Annotated[
        int | None,
        "In a run of several endpoints: its number on the command line, or in the file, from 1",
    ] = optional()

    @property
    def endpoint_label(self) -> str:
        """The endpoint's name in the file with its URL, or the URL alone."""
        return f"{self.endpoint} ({self.url})" if self.endpoint else self.url


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """Record `check.summary`: counts over all endpoints; the last record of a run."""

    type: ClassVar[str] = "check.summary"
    passed: Annotated[int, "Checks that passed"]
    warned: Annotated[int, "Checks with a warning"]
    failed: Annotated[int, "Checks that failed"]
    skipped: Annotated[int, "Checks that were not judged"]
    duration_s: Annotated[float, "How long the run took, in seconds"]
    unmeasured: Annotated[
        int | None, "Checks that applied but could not be judged; the exit code is then 1"
    ] = optional()
    unreachable: Annotated[
        int | None, "Endpoints that gave no usable answer; the exit code is then 1"
    ] = optional()


def by_endpoint(results: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """The results of each endpoint by its label; both keep the order given.

    Where two endpoints have the same label (their tokens are masked), the second's number is in it.
    """
    groups: dict[tuple[int | None, str], list[CheckResult]] = {}
    for result in results:
        groups.setdefault((result.target, result.endpoint_label), []).append(result)
    labelled: dict[str, list[CheckResult]] = {}
    for (target, label), members in groups.items():
        labelled[f"{label} ({target})" if label in labelled else label] = members
    return labelled
