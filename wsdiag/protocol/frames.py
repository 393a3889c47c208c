"""A frame, and the encoder that can write any of them, legal or not."""

from __future__ import annotations

from typing import NamedTuple

from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.masking import apply_mask


class Frame(NamedTuple):
    """One frame with its payload unmasked (RFC 6455, 5.2)."""

    fin: bool
    opcode: Opcode
    payload: bytes
    rsv1: bool = False
    rsv2: bool = False
    rsv3: bool = False
    masked: bool = False
    dropped: int = 0
    """Bytes in the middle of the payload that are not in `payload`."""


def encode_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv1: bool = False,
    rsv2: bool = False,
    rsv3: bool = False,
    mask: bytes | None = None,
    length: int | None = None,
    length_bits: int | None = None,
) -> bytes:
    """The frame's bytes (RFC 6455, 5.2); no rule is enforced.

    `mask`: a four-byte key; `length`: what the header claims instead of the payload's size;
    `length_bits`: 7, 16 or 64, to force a longer form of the length than it needs.
    """
    first = fin << 7 | rsv1 << 6 | rsv2 << 5 | rsv3 << 4 | opcode
    claimed = len(payload) if length is None else length
    if mask is None:
        return encode_header(first, claimed, 0, length_bits) + payload
    return encode_header(first, claimed, 0x80, length_bits) + mask + apply_mask(payload, mask)


def encode_header(
    first: int, length: int, mask_bit: int = 0, length_bits: int | None = None
) -> bytes:
    """A header up to the mask: the first byte, then the length in its shortest or forced form."""
    if length < 126 and length_bits is None:
        return bytes((first, mask_bit | length))
    bits = length_bits or (16 if length < 65536 else 64)
    if bits == 7:
        return bytes((first, mask_bit | length))
    if bits == 16:
        return bytes((first, mask_bit | 126)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | 127)) + length.to_bytes(8, "big")
