"""The NSS key log format, whole, broken and while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capture.growth import assert_linear
from wsdiag.capture.tls import key_log
from wsdiag.capture.tls.key_log import KeyLog

RANDOM, MASTER, SECRET = b"\1" * 32, b"\2" * 48, b"\3" * 32


def line(label: str, random: bytes, secret: bytes) -> bytes:
    return f"{label} {random.hex()} {secret.hex()}\n".encode()


def test_secrets_by_label_and_random() -> None:
    log = KeyLog()
    log.add(
        b"# SSL/TLS secrets log file\r\n\r\n"
        + line("CLIENT_RANDOM", RANDOM, MASTER)
        + line("SERVER_TRAFFIC_SECRET_0", RANDOM, SECRET).upper()
        + line("EXPORTER_SECRET", RANDOM, SECRET)
        + line("SERVER_HANDSHAKE_TRAFFIC_SECRET", RANDOM, MASTER).replace(b"\n", b"\r\n")
    )
    assert (log.lines, log.unreadable) == (4, 0)
    assert log.secret("CLIENT_RANDOM", RANDOM) == MASTER
    assert log.secret("SERVER_TRAFFIC_SECRET_0", RANDOM) == SECRET
    assert log.secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", RANDOM) == MASTER
    assert log.secret("CLIENT_RANDOM", b"\4" * 32) is None


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN PRIVATE KEY-----",
        line("CLIENT_RANDOM", RANDOM[:31], MASTER),
        line("CLIENT_RANDOM", RANDOM, MASTER[:47]),
        b"CLIENT_RANDOM 01 zz",
        b"CLIENT_RANDOM " + b"\xff" * 64 + b" 00",
        b"0" * 10_000,
    ],
)
def test_what_is_no_secret(text: bytes) -> None:
    log = KeyLog()
    log.add(text)
    assert (log.lines, log.unreadable) == (0, 1)


def test_a_file_that_grows(tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    with pytest.raises(OSError):
        KeyLog(file)
    one, two = line("CLIENT_RANDOM", RANDOM, MASTER), line("CLIENT_RANDOM", b"\5" * 32, MASTER)
    file.write_bytes(one + two[:50])
    log = KeyLog(file)
    assert log.secret("CLIENT_RANDOM", RANDOM) == MASTER
    assert log.secret("CLIENT_RANDOM", b"\5" * 32) is None
    file.write_bytes(one + two.rstrip())
    assert log.secret("CLIENT_RANDOM", b"\5" * 32) == MASTER
    file.unlink()
    assert log.secret("CLIENT_RANDOM", b"\6" * 32) is None
    assert (log.lines, log.unreadable) == (2, 0)


def test_the_latest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_log, "MOST_SECRETS", 3)
    log = KeyLog()
    for number in range(5):
        log.add(line("CLIENT_RANDOM", bytes([number]) * 32, MASTER))
    kept = [number for number in range(5) if log.secret("CLIENT_RANDOM", bytes([number]) * 32)]
    assert kept == [2, 3, 4]


@given(st.binary())
def test_any_bytes(data: bytes) -> None:
    log = KeyLog()
    log.add(data)
    log.add(line("CLIENT_RANDOM", RANDOM, MASTER))
    assert log.secret("CLIENT_RANDOM", RANDOM) == MASTER


def test_a_line_without_end_costs_what_it_is_long(tmp_path: Path) -> None:
    for size in (16 << 20, 64 << 20):
        (tmp_path / str(size)).write_bytes(b"C" * size)
    assert_linear(lambda size: KeyLog(tmp_path / str(size)), 16 << 20)
