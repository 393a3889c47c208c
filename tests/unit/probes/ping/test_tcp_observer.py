"""What a connection's address says about its path."""

from __future__ import annotations

import pytest

from wsdiag.probes.ping.tcp_observer import is_loopback


@pytest.mark.parametrize(
    ("peer", "there"),
    [
        ("127.0.0.1:80", True),
        ("127.8.9.1:80", True),
        ("[::1]:80", True),
        ("[::ffff:127.0.0.1]:80", True),
        ("10.127.0.1:80", False),
        ("[fe80::1%eth0]:80", False),
        ("[2001:db8::1]:80", False),
        ("/run/127.sock", False),
    ],
)
def test_loopback_is_told_by_the_address(peer: str, there: bool) -> None:
    assert is_loopback(peer) is there
