"""A path that loses nearly everything: the silence is the network's, and it ends with the loss."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.stream.running import run_stream
from tests.peers.peers import Peers
from wsdiag.probes.stream.run import StreamRun
from wsdiag.records.stream import StreamEvent, StreamInterval, StreamRecord


@pytest.mark.netns
def test_a_silence_of_the_networks_and_what_was_late(peers: Peers) -> None:
    nat = peers.nat(established_s=600)
    url, _ = peers.serve(netns=nat.server_ns, host=nat.server_address)
    intervals = 0

    def react(run: StreamRun, event: StreamRecord) -> None:
        nonlocal intervals
        if isinstance(event, StreamInterval) and event.messages:
            intervals += 1
            if intervals == 3:  # once: an interval of the silence must not bring the loss back
                nat.set_loss(97)
        elif isinstance(event, StreamEvent) and event.event == "silence":
            nat.set_loss(0)
        elif isinstance(event, StreamEvent) and event.event == "resumed":
            run.stop()

    with nat.in_client():
        seen = asyncio.run(
            run_stream(url + "/push/0.05", react=react, seq="$.seq", interval_s=0.5, deadline_s=50)
        )
    (silence,) = seen.named("silence")
    assert silence.cause == "network"
    assert "nor acknowledged by TCP" in silence.message
    assert not seen.named("mute")
    assert [event.cause for event in seen.named("resumed")] == ["network"]
    assert not seen.named("gap")  # TCP sent again what was lost
    assert seen.summary.causes == {"network": 1}
    assert any("(network)" in sentence for sentence in seen.summary.explanation)
