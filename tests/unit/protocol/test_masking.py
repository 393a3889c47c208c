"""Masking against the definition of RFC 6455, 5.3: octet i XOR key octet i mod 4."""

import random

import pytest

from wsdiag.protocol.masking import apply_mask, mask_in_place, mask_source


def by_definition(data: bytes, key: bytes) -> bytes:
    return bytes(octet ^ key[i % 4] for i, octet in enumerate(data))


@pytest.mark.parametrize("size", [*range(10), 125, 126, 767, 768, 769, 770, 771, 1023, 1025, 4099])
def test_every_size_around_the_two_methods_agrees_with_the_definition(size: int) -> None:
    data, key = random.Random(size).randbytes(size), b"\x37\xfa\x21\x3d"
    assert apply_mask(data, key) == by_definition(data, key)
    buffer = bytearray(data)
    mask_in_place(buffer, key)
    assert buffer == by_definition(data, key)


def test_the_rfcs_own_example() -> None:
    assert apply_mask(bytes.fromhex("7f9f4d5158"), bytes.fromhex("37fa213d")) == b"Hello"


def test_a_mask_of_zero_changes_nothing() -> None:
    for size in (5, 5000):
        assert apply_mask(b"x" * size, b"\0\0\0\0") == b"x" * size


def test_keys_are_four_bytes_and_do_not_repeat() -> None:
    next_key = mask_source()
    keys = [next_key() for _ in range(5000)]
    assert {len(key) for key in keys} == {4}
    assert len(set(keys)) > 4990


def test_two_sources_do_not_share_a_sequence() -> None:
    one, other = mask_source(), mask_source()
    assert [one() for _ in range(4)] != [other() for _ in range(4)]
