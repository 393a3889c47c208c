"""Targets that push: what `stream` would find is found beside the Pings."""

from __future__ import annotations

import time
from pathlib import Path

from tests.integration.exporter.exporting import endpoint, start, write
from tests.peers.peers import Peers

NAMES = ("stream_messages_total", "stream_bytes_total", "stream_last_message_timestamp_seconds")


def test_rates_silences_and_gaps(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    pushed = f"{url}/push/20ms?format=json&skip=10"
    feed = endpoint(pushed, name="feed", hello="subscribe", seq="$.seq", interval="100ms")
    mute = endpoint(f"{url}/mute", name="mute", hello="subscribe", interval="100ms")
    plain = endpoint(f"{url}/echo", name="plain", interval="100ms")
    exporting = start(peers, write(tmp_path / "t.toml", feed, mute, plain))
    seen = exporting.until(lambda m: m.total("wsdiag_stream_gaps_total", kind="missing") >= 3, 60)
    messages = seen.one("wsdiag_stream_messages_total", name="feed")
    assert messages >= 25
    assert seen.one("wsdiag_stream_bytes_total", name="feed") >= 5 * messages
    assert seen.one("wsdiag_stream_missing_messages", name="feed") >= 3
    assert seen.one("wsdiag_stream_gaps_total", name="feed", kind="repeated") == 0
    last = seen.one("wsdiag_stream_last_message_timestamp_seconds", name="feed")
    assert abs(time.time() - last) < 20
    assert seen.one("wsdiag_stream_messages_total", name="mute") == 0
    assert not [name for name in NAMES if seen.all(f"wsdiag_{name}", name="plain")]
    muted = exporting.until(lambda m: m.total("wsdiag_stream_mutes_total", name="mute") == 1, 60)
    assert muted.one("wsdiag_stream_silences_total", name="mute") == 1
    assert muted.one("wsdiag_up", name="mute") == 1


def test_the_number_of_a_message_too_large_to_be_looked_into_is_not_missing(
    tmp_path: Path, peers: Peers
) -> None:
    url, _ = peers.serve()
    large = f"{url}/push/20ms?format=json&size=2M"
    feed = endpoint(large, name="feed", seq="$.seq", interval="100ms")
    exporting = start(peers, write(tmp_path / "t.toml", feed))
    seen = exporting.until(lambda m: m.total("wsdiag_stream_messages_total") >= 3, 60)
    messages = seen.one("wsdiag_stream_messages_total", name="feed")
    assert seen.one("wsdiag_stream_too_large_total", name="feed") == messages
    assert seen.one("wsdiag_stream_bytes_total", name="feed") >= messages * 2 * 2**20
    assert seen.total("wsdiag_stream_gaps_total") == 0


def test_a_protocols_own_messages_are_no_data(tmp_path: Path, peers: Peers) -> None:
    broker = peers.mosquitto()
    table = endpoint(f"{broker.url}/", name="mqtt", dialect="mqtt", interval="100ms")
    exporting = start(peers, write(tmp_path / "t.toml", table))
    seen = exporting.until(lambda m: m.total("wsdiag_pings_sent_total") >= 5)
    assert seen.one("wsdiag_stream_messages_total", name="mqtt") == 0
