"""Masking (RFC 6455, 5.3): XOR with a four-byte key, at two speeds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from os import urandom
from struct import iter_unpack

# Below this many bytes one big-integer XOR wins; above it, four table look-ups by stride do,
# since an integer's conversions walk 30-bit digits. They meet at 950 (Python 3.11) to 1500 (3.13).
_STRIDES_FROM = 1200
_POOL_BYTES = 4096


@cache
def _xor_tables() -> list[bytes]:
    """For each byte of a key, what it makes of every byte: 64 KiB, built when first needed."""
    return [bytes(value ^ byte for value in range(256)) for byte in range(256)]


def mask_in_place(buffer: bytearray, key: bytes) -> None:
    """Mask a large buffer with the four bytes of `key` without a second one of its size."""
    # A stride is copied out of a bytearray twice as fast as out of bytes.
    tables = _xor_tables()
    buffer[0::4] = buffer[0::4].translate(tables[key[0]])
    buffer[1::4] = buffer[1::4].translate(tables[key[1]])
    buffer[2::4] = buffer[2::4].translate(tables[key[2]])
    buffer[3::4] = buffer[3::4].translate(tables[key[3]])


def apply_mask(data: bytes, key: bytes) -> bytes:
    """`data` masked with the four bytes of `key`, which also unmasks it (RFC 6455, 5.3)."""
    size = len(data)
    if size >= _STRIDES_FROM:
        buffer = bytearray(data)
        mask_in_place(buffer, key)
        return bytes(buffer)
    stream = (key * ((size + 3) >> 2))[:size]
    word = int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")
    return word.to_bytes(size, "little")


def mask_short(data: bytes, key: bytes) -> bytes:
    """`apply_mask` for at most 128 bytes."""
    size = len(data)
    word = int.from_bytes(data, "little") ^ int.from_bytes((key * 32)[:size], "little")
    return word.to_bytes(size, "little")


def mask_source() -> Callable[[], bytes]:
    """A source of unpredictable keys (RFC 6455, 10.3) that asks the system for 1024 at a time."""
    pools = iter(lambda: urandom(_POOL_BYTES), b"")
    return (key for pool in pools for (key,) in iter_unpack("4s", pool)).__next__
