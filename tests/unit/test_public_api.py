"""What `import wsdiag` offers, and that its documented example runs."""

import asyncio
import doctest

import pytest

import wsdiag
import wsdiag.api


def test_everything_named_public_is_there() -> None:
    assert set(wsdiag._PUBLIC) | {"__version__"} == set(wsdiag.__all__)
    for name in wsdiag.__all__:
        assert getattr(wsdiag, name) is not None


def test_what_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = wsdiag.nonsense


def test_documented_example_runs() -> None:
    outcome = doctest.testmod(wsdiag.api)
    assert outcome.attempted >= 3
    assert outcome.failed == 0


def test_idle_probe_ends_with_a_verdict() -> None:
    async def verdicts() -> list[wsdiag.IdleVerdict]:
        async with wsdiag.serve() as server:
            url = server.url + "/idle/1?drop=fin"
            events = wsdiag.idle_probe(
                url, from_s=0.5, to_s=2, step_s=0.5, keepalive_s=0.4, pong_timeout_s=2
            )
            return [event async for event in events if isinstance(event, wsdiag.IdleVerdict)]

    (verdict,) = asyncio.run(verdicts())
    assert verdict.verdict == "idle-timeout"
    assert verdict.idle_timeout_s is not None
    assert verdict.idle_timeout_s.low <= 1.05
    assert verdict.idle_timeout_s.high is not None
    assert verdict.idle_timeout_s.high >= 1
