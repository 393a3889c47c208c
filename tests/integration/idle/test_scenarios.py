"""What raw sockets measure of an endpoint, beside what the probe says of it."""

from __future__ import annotations

import asyncio
import base64
import time
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.integration.idle.running import Probed, probe, scaled
from tests.integration.idle.scenarios import PING, SCENARIOS, SHARED, Scenario, played
from tests.integration.lag import LATE_S, Outcomes
from wsdiag.protocol.frames import encode_frame
from wsdiag.transport.dial.options import DialOptions

WATCHED_S = 4.0
IN_TIME_S = 0.15


@dataclass(frozen=True)
class Measured:
    probed: Probed
    idle_end_s: float | None
    pinged_end_s: float | None


async def raw_end_s(url: str, ping_every_s: float | None) -> float | None:
    """When a connection made by hand ends (its Close frame, FIN or RST); None: not in time."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    key = base64.b64encode(bytes(16)).decode()
    target = f"{parts.path}?{parts.query}"
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    began, next_s = time.monotonic(), ping_every_s
    try:
        while (now := time.monotonic() - began) < WATCHED_S:
            if next_s is not None and ping_every_s is not None and now >= next_s:
                writer.write(encode_frame(PING, b"raw", mask=b"\1\2\3\4"))
                next_s += ping_every_s
            until_s = WATCHED_S if next_s is None else next_s
            try:
                data = await asyncio.wait_for(reader.read(4096), max(0.01, until_s - now))
            except TimeoutError:
                continue
            if not data or data[0] == 0x88:
                return time.monotonic() - began
    except ConnectionError:
        return time.monotonic() - began
    finally:
        writer.close()
    return None


async def measure(scenario: Scenario, *, raw: bool) -> Measured:
    how = {"pongs": scenario.pongs, "receives": scenario.receives}
    async with played(scenario.life, scenario.answer, **how) as url:
        options = scaled(**{"to_s": 3.5, "step_s": 0.25, "keepalive_s": 0.5, **scenario.options})
        if not raw:
            return Measured(await probe(url, options), None, None)
        probed, idle_s, pinged_s = await asyncio.gather(
            probe(url + scenario.query, options, dial=DialOptions(**scenario.dial)),
            raw_end_s(url + scenario.query, None),
            raw_end_s(url + scenario.query, 0.3),
        )
        return Measured(probed, idle_s, pinged_s)


@pytest.fixture(scope="module")
def measured() -> Outcomes[Measured]:
    """By scenario, what was found. Nothing scripted is in time where this process did not run."""
    works = {name: partial(measure, one, raw=True) for name, one in SCENARIOS.items()}
    works |= {name: partial(measure, one, raw=False) for name, one in SHARED.items()}
    return Outcomes(works, IN_TIME_S, LATE_S)


def is_about(seen_s: float | None, wanted_s: float | None) -> bool:
    if seen_s is None or wanted_s is None:
        return seen_s is wanted_s
    return wanted_s - 0.05 <= seen_s <= wanted_s + LATE_S


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_verdict_says_what_raw_sockets_measure(name: str, measured: Outcomes[Measured]) -> None:
    scenario, found = SCENARIOS[name], measured[name]
    if "sweep" not in name:  # its ends depend on the wall clock
        assert is_about(found.idle_end_s, scenario.idle_end_s), found
        assert is_about(found.pinged_end_s, scenario.pinged_end_s), found
    holds(scenario, found)


@pytest.mark.parametrize("name", SHARED)
def test_what_concerns_all_connections_is_told(name: str, measured: Outcomes[Measured]) -> None:
    holds(SHARED[name], measured[name])


def holds(scenario: Scenario, found: Measured) -> None:
    verdict = found.probed.verdict
    assert verdict.verdict == scenario.verdict, str(found.probed)
    if scenario.seconds is not None:
        range_ = verdict.idle_timeout_s or verdict.lifetime_s or verdict.application_timeout_s
        assert range_ is not None
        # The endpoint is a script on this machine, and as late as raw sockets saw it.
        late_s = max(0.0, (found.idle_end_s or 0.0) - (scenario.idle_end_s or 4.0))
        assert range_.low - 0.02 - late_s <= scenario.seconds, found.probed
        assert scenario.seconds <= (range_.high or 0.0) + 0.02, found.probed
    for kind, word in scenario.keepalives.items():
        assert verdict.keepalives[kind] == word, found.probed  # type: ignore[index]
    assert scenario.says in found.probed.words()
    assert not scenario.never or scenario.never not in found.probed.words()
