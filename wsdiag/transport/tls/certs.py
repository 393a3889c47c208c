"""A throw-away certificate authority and server certificate, made with nothing but the stdlib.

For `serve --tls`, on loopback, for days: ECDSA on P-256 (FIPS 186-5) over a certificate written in
DER (RFC 5280). Not for anything else: the arithmetic is not constant-time, so whoever can time
this process while it makes its one signature might learn the key.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

# SEC 2, 2.4.2: secp256r1. The curve is y^2 = x^3 - 3x + b over the integers modulo P.
_P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)

_SEQUENCE, _SET, _INTEGER, _BITS, _OCTETS, _UTF8, _TIME = 0x30, 0x31, 0x02, 0x03, 0x04, 0x0C, 0x18
_COMMON_NAME = "550403"
_ECDSA_SHA256 = "2a8648ce3d040302"
_EC_PUBLIC_KEY, _P256 = "2a8648ce3d0201", "2a8648ce3d030107"
_BASIC_CONSTRAINTS, _KEY_USAGE, _SANS, _EXTENDED_USAGE = "551d13", "551d0f", "551d11", "551d25"
_SUBJECT_KEY, _AUTHORITY_KEY = "551d0e", "551d23"
_SERVER_AUTH = "2b06010505070301"
_TRUE = b"\x01\x01\xff"

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ThrowawayCertificate:
    """PEM texts: the CA's certificate, the server's chain, and the server's key."""

    ca: bytes
    chain: bytes
    key: bytes

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Put chain and key into `folder`, the key readable by its owner only; both paths."""
        chain, key = folder / "server.pem", folder / "server.key"
        chain.write_bytes(self.chain)
        with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(self.key)
        return chain, key


def throwaway_certificate(names: Sequence[str], *, days: int = 30) -> ThrowawayCertificate:
    """A CA and a certificate for these host names and addresses; the CA's key is forgotten."""
    ca_key, key = _new_key(), _new_key()
    label = f"wsdiag throw-away CA {secrets.token_hex(4)}"
    ca = _certificate(label, label, ca_key, ca_key, _ca_extensions(ca_key), days)
    leaf = _certificate(label, names[0], ca_key, key, _server_extensions(ca_key, key, names), days)
    ca_pem = _pem("CERTIFICATE", ca)
    return ThrowawayCertificate(
        ca_pem, _pem("CERTIFICATE", leaf) + ca_pem, _pem("EC PRIVATE KEY", _sec1(key))
    )


# -- the curve ---------------------------------------------------------------------------------


def _add(one: Point | None, other: Point | None) -> Point | None:
    """The sum of two points; None is the point at infinity."""
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2 and (y1 + y2) % _P == 0:
        return None
    rise, run = (3 * x1 * x1 - 3, 2 * y1) if one == other else (y2 - y1, x2 - x1)
    slope = rise * pow(run, -1, _P)
    x = (slope * slope - x1 - x2) % _P
    return x, (slope * (x1 - x) - y1) % _P


def _multiply(scalar: int, point: Point) -> Point:
    total: Point | None = None
    doubled: Point | None = point
    while scalar:
        if scalar & 1:
            total = _add(total, doubled)
        doubled = _add(doubled, doubled)
        scalar >>= 1
    assert total is not None
    return total


def _new_key() -> int:
    return secrets.randbelow(_N - 1) + 1


def _sign(key: int, message: bytes) -> bytes:
    """ECDSA with SHA-256; the signature as RFC 3279, 2.2.3 has it."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        nonce = _new_key()
        r = _multiply(nonce, _G)[0] % _N
        s = pow(nonce, -1, _N) * (digest + r * key) % _N
        if r and s:
            return _der(_SEQUENCE, _integer(r), _integer(s))


# -- DER ---------------------------------------------------------------------------------------


def _der(tag: int, *parts: bytes) -> bytes:
    """One element with its contents (X.690, 8.1)."""
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _integer(value: int) -> bytes:
    return _der(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(encoded: str) -> bytes:
    return _der(0x06, bytes.fromhex(encoded))


def _name(common_name: str) -> bytes:
    attribute = _der(_SEQUENCE, _oid(_COMMON_NAME), _der(_UTF8, common_name.encode()))
    return _der(_SEQUENCE, _der(_SET, attribute))


def _moment(when: datetime) -> bytes:
    # RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050 on.
    if when.year < 2050:
        return _der(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return _der(_TIME, when.strftime("%Y%m%d%H%M%SZ").encode())


def _point(key: int) -> bytes:
    """The public key, uncompressed (SEC 1, 2.3.3)."""
    x, y = _multiply(key, _G)
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def _public(key: int) -> bytes:
    algorithm = _der(_SEQUENCE, _oid(_EC_PUBLIC_KEY), _oid(_P256))
    return _der(_SEQUENCE, algorithm, _der(_BITS, b"\0", _point(key)))


def _sec1(key: int) -> bytes:
    """The private key (RFC 5915, 3)."""
    return _der(
        _SEQUENCE,
        _integer(1),
        _der(_OCTETS, key.to_bytes(32, "big")),
        _der(0xA0, _oid(_P256)),
        _der(0xA1, _der(_BITS, b"\0", _point(key))),
    )


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return _der(_SEQUENCE, _oid(oid), _TRUE if critical else b"", _der(_OCTETS, value))


def _key_id(key: int) -> bytes:
    return hashlib.sha1(_point(key), usedforsecurity=False).digest()


def _ca_extensions(key: int) -> list[bytes]:
    return [
        _extension(_BASIC_CONSTRAINTS, _der(_SEQUENCE, _TRUE), critical=True),
        _extension(_KEY_USAGE, _der(_BITS, b"\x01\x06"), critical=True),  # keyCertSign, cRLSign
        _extension(_SUBJECT_KEY, _der(_OCTETS, _key_id(key))),
    ]


def _server_extensions(ca_key: int, key: int, names: Sequence[str]) -> list[bytes]:
    return [
        _extension(_BASIC_CONSTRAINTS, _der(_SEQUENCE), critical=True),
        _extension(_KEY_USAGE, _der(_BITS, b"\x07\x80"), critical=True),  # digitalSignature
        _extension(_EXTENDED_USAGE, _der(_SEQUENCE, _oid(_SERVER_AUTH))),
        _extension(_SUBJECT_KEY, _der(_OCTETS, _key_id(key))),
        _extension(_AUTHORITY_KEY, _der(_SEQUENCE, _der(0x80, _key_id(ca_key)))),
        _extension(_SANS, _der(_SEQUENCE, *map(_general_name, names))),
    ]


def _general_name(name: str) -> bytes:
    try:
        return _der(0x87, ipaddress.ip_address(name).packed)
    except ValueError:
        return _der(0x82, name.encode("idna"))


def _certificate(
    issuer: str, subject: str, issuer_key: int, key: int, extensions: list[bytes], days: int
) -> bytes:
    """A version 3 certificate (RFC 5280, 4.1), valid from an hour ago."""
    now = datetime.now(UTC)
    algorithm = _der(_SEQUENCE, _oid(_ECDSA_SHA256))
    validity = _der(
        _SEQUENCE, _moment(now - timedelta(hours=1)), _moment(now + timedelta(days=days))
    )
    body = _der(
        _SEQUENCE,
        _der(0xA0, _integer(2)),
        _integer(secrets.randbits(120) | 1 << 120),
        algorithm,
        _name(issuer),
        validity,
        _name(subject),
        _public(key),
        _der(0xA3, _der(_SEQUENCE, *extensions)),
    )
    return _der(_SEQUENCE, body, algorithm, _der(_BITS, b"\0", _sign(issuer_key, body)))


def _pem(label: str, der: bytes) -> bytes:
    text = base64.encodebytes(der).decode().replace("\n", "")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
