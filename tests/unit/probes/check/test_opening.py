"""The rules about how a connection is opened."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rules.opening import certificate
from wsdiag.probes.check.target import CheckTarget


@pytest.mark.parametrize(("days", "said"), [(1, "1 day left"), (30, "30 days left")])
def test_a_certificates_last_days_are_counted(days: int, said: str) -> None:
    tls = SimpleNamespace(expires_in_days=days, not_after="2030-01-01T00:00:00Z", verified=True)
    target = SimpleNamespace(
        error=None,
        report=SimpleNamespace(tls=tls),
        options=CheckOptions(),
        url=SimpleNamespace(secure=True),
    )
    finding = asyncio.run(certificate.judge(cast("CheckTarget", target)))
    assert finding.detail.startswith(said)
