"""Check results by endpoint, and what each endpoint is called, for every output of `check`."""

from __future__ import annotations

from collections.abc import Iterable

from wsdiag.records import CheckResult


def endpoint_label(result: CheckResult) -> str:
    """An endpoint's name from the file with its URL, or the URL alone."""
    return f"{result.endpoint} ({result.url})" if result.endpoint else result.url


def by_endpoint(results: Iterable[CheckResult]) -> dict[str, list[CheckResult]]:
    """The results of each endpoint by its label; both keep the order given."""
    groups: dict[str, list[CheckResult]] = {}
    for result in results:
        groups.setdefault(endpoint_label(result), []).append(result)
    return groups
