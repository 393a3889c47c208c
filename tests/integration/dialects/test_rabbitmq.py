"""RabbitMQ's STOMP and MQTT over WebSocket: greeted, kept alive, judged.

One test, as its node takes ten seconds to start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.integration.idle.running import Probed, probe, scaled
from tests.integration.lag import LagMeter
from tests.peers.peers import Peers
from tests.peers.rabbitmq import RabbitMq
from wsdiag.transport.dial.options import DialOptions

# heart-beats once a second both ways: the plugin gives a client three; MQTT: Keep Alive 1 s
STOMP = "CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:{}\nheart-beat:1000,1000\n\n\0"
MQTT = bytes.fromhex("100c00044d51545404020001") + b"\0\0"


@pytest.mark.slow
def test_rabbitmq_is_greeted_kept_alive_and_judged(peers: Peers, tmp_path: Path) -> None:
    rabbitmq = peers.rabbitmq()
    (tmp_path / "stomp").write_text(STOMP.format("guest"))
    (tmp_path / "denied").write_text(STOMP.format("qwertz123"))
    (tmp_path / "mqtt").write_bytes(MQTT)
    hellos_are_answered_or_refused(rabbitmq, peers, tmp_path)
    pings = {
        name: peers.start_wsdiag(
            *("ping", "-c", "5", "-i", "900ms", "-o", "json"),
            *("--dialect", name, "--hello", f"@{tmp_path / name}", url),
        )
        for name, url in (("stomp", rabbitmq.stomp_url), ("mqtt", rabbitmq.mqtt_url))
    }
    check = ["--only", "idle,ping,close", "--require-idle", "4s", "--dialect", "stomp"]
    checked = peers.start_wsdiag(
        "check", *check, "--hello", f"@{tmp_path / 'stomp'}", rabbitmq.stomp_url
    )
    probed, late_s = asyncio.run(every_probe(rabbitmq))
    for name, running in pings.items():
        run = running.wait(30)
        assert run.record("ping.summary")["received"] == 5, run
        assert run.record("ping.start")["dialect"]["name"] == name
    assert checked.wait(30).code == 0
    for name in ("stomp", "mqtt"):
        what_the_hello_promised_is_the_idle_timeout(probed[name], f"{name.upper()} died", late_s)
    for name in ("stomp-unsaid", "mqtt-unsaid"):
        assert probed[name].verdict.verdict == "no-drop", probed[name]
        assert "No hello was sent" in probed[name].words()


def hellos_are_answered_or_refused(rabbitmq: RabbitMq, peers: Peers, files: Path) -> None:
    mqtt = peers.wsdiag("connect", "--dialect", "mqtt", "-o", "json", rabbitmq.mqtt_url, ok=0)
    assert mqtt.record("connect.result")["hello"]["answer"] == "20020000"
    for name, code in (("stomp", 0), ("denied", 1)):
        hello = ["--dialect", "stomp", "--hello", f"@{files / name}", "-o", "json"]
        run = peers.wsdiag("connect", *hello, rabbitmq.stomp_url, ok=code)
        answer = run.record("connect.result")["hello"]["answer"]
        assert answer.startswith("ERROR" if code else "CONNECTED")
        assert "qwertz123" not in run.out + run.err
    error = run.record("connect.result")["error"]
    assert (error["phase"], error["kind"]) == ("hello", "refused")


async def every_probe(rabbitmq: RabbitMq) -> tuple[dict[str, Probed], float]:
    """Probes by case, and for how long the machine kept them waiting."""
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "stomp": (
            rabbitmq.stomp_url,
            {"subprotocols": ("v12.stomp",), "hello": (STOMP.format("guest"),)},
        ),
        "mqtt": (rabbitmq.mqtt_url, {"dialect": "mqtt", "hello": (MQTT,)}),
        "stomp-unsaid": (rabbitmq.stomp_url, {"subprotocols": ("v12.stomp",)}),
        "mqtt-unsaid": (rabbitmq.mqtt_url, {"subprotocols": ("mqtt",)}),
    }
    options = scaled(to_s=6.0, keepalive_s=0.8)
    runs = [probe(url, options, dial=DialOptions(**dial)) for url, dial in cases.values()]
    async with LagMeter() as lag:
        probed = await asyncio.gather(*runs)
    return dict(zip(cases, probed, strict=True)), lag.total_s


def what_the_hello_promised_is_the_idle_timeout(probed: Probed, reason: str, late_s: float) -> None:
    verdict = probed.verdict
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", probed
    assert found is not None
    # the broker looks at every half heart-beat, and calls the client dead after 3 s
    assert found.low <= 3.0 <= (found.high or 0)
    assert (found.high or 9) - found.low < 1.0 + late_s
    assert verdict.drop is not None
    assert (verdict.drop.code, verdict.drop.reason) == (1000, reason)
    assert verdict.keepalives["heartbeat"] == verdict.keepalives["ping"] == "holds"
    assert verdict.keepalives["tcp-keepalive"] == "drops"
    assert "RabbitMQ" in verdict.candidates[0].product
