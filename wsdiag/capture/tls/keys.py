"""From a secret of the key log to keys that open TLS records: RFC 5246, 5288, 7905 and 8446.

Every suite here is an AEAD: a record opens with a key, a nonce that is used once, and data that is
authenticated beside it; it opens as a whole or not at all. What differs is where the nonce comes
from, and all of it follows from the number of the record, counted from 0 for each key and each
direction, which no record carries:

* TLS 1.2 with AES-GCM: 4 bytes from the key block, then 8 that stand in front of each record. The
  number is in the authenticated data, with type, version and length.
* TLS 1.2 with ChaCha20-Poly1305: 12 bytes from the key block, XORed with the number; the
  authenticated data as above.
* TLS 1.3: 12 bytes derived from the secret, XORed with the number; the record's header is the
  authenticated data. The record's type is inside, behind it as many zeros as the sender likes.

So whoever misses a record has to find out how many were missed before anything opens again.

In TLS 1.2 one master secret makes the keys of both directions, and they are in use from
ChangeCipherSpec on. In TLS 1.3 each direction goes through several secrets: one for the rest of the
handshake, one for application data, and another with every KeyUpdate, derived from the one before.
Nothing outside of encryption tells of these changes, so without the handshake secrets one cannot
follow the messages (ALPN, Finished) that announce them; but as numbers begin at 0 again, the first
record of a new secret is found by trying.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple, Protocol

NEEDS_CRYPTOGRAPHY = "decryption needs the package cryptography: pip install 'wsdiag[tls]'"
TAG = 16
"""Bytes by which every AEAD here lengthens its plaintext."""

_NAMES = {
    0x0004: "TLS_RSA_WITH_RC4_128_MD5",
    0x0005: "TLS_RSA_WITH_RC4_128_SHA",
    0x000A: "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0x002F: "TLS_RSA_WITH_AES_128_CBC_SHA",
    0x0033: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
    0x0035: "TLS_RSA_WITH_AES_256_CBC_SHA",
    0x0039: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
    0x003C: "TLS_RSA_WITH_AES_128_CBC_SHA256",
    0x003D: "TLS_RSA_WITH_AES_256_CBC_SHA256",
    0x0067: "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256",
    0x006B: "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
    0x009C: "TLS_RSA_WITH_AES_128_GCM_SHA256",
    0x009D: "TLS_RSA_WITH_AES_256_GCM_SHA384",
    0x009E: "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
    0x009F: "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
    0x00A8: "TLS_PSK_WITH_AES_128_GCM_SHA256",
    0x00A9: "TLS_PSK_WITH_AES_256_GCM_SHA384",
    0x00AA: "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
    0x00AB: "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384",
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0xC007: "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    0xC008: "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA",
    0xC009: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    0xC00A: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    0xC011: "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    0xC012: "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    0xC013: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    0xC014: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    0xC023: "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    0xC024: "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
    0xC027: "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    0xC028: "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
    0xC02B: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    0xC02C: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    0xC02F: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    0xC030: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    0xC09C: "TLS_RSA_WITH_AES_128_CCM",
    0xC09D: "TLS_RSA_WITH_AES_256_CCM",
    0xC09E: "TLS_DHE_RSA_WITH_AES_128_CCM",
    0xC09F: "TLS_DHE_RSA_WITH_AES_256_CCM",
    0xC0AC: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM",
    0xC0AD: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM",
    0xC0AE: "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8",
    0xC0AF: "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8",
    0xCCA8: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCA9: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAA: "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAB: "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAC: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    0xCCAD: "TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
}
_KEY_SIZES = {"_AES_128_GCM_": 16, "_AES_256_GCM_": 32, "_CHACHA20_POLY1305_": 32}


class Suite(NamedTuple):
    """A cipher suite by its registered name; `key_size` 0: its records cannot be opened here."""

    name: str
    key_size: int
    hash: str

    @property
    def chacha(self) -> bool:
        """ChaCha20-Poly1305; AES-GCM otherwise."""
        return "CHACHA20" in self.name


def suite(number: int) -> Suite:
    """The cipher suite that a ServerHello chose."""
    name = _NAMES.get(number, f"cipher suite 0x{number:04X}")
    size = next((size for part, size in _KEY_SIZES.items() if part in name), 0)
    return Suite(name, size, "sha384" if name.endswith("SHA384") else "sha256")


class _Aead(Protocol):
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class RecordKeys:
    """What opens the records of one direction, until its keys change. ImportError."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes, *, tls13: bool) -> None:
        # loaded here: it is an extra, and takes longer to import than all of wsdiag
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

        self._invalid = InvalidTag
        self._aead: _Aead = ChaCha20Poly1305(key) if suite.chacha else AESGCM(key)
        self._iv, self._tls13 = int.from_bytes(iv, "big"), tls13
        self._fixed = b"" if tls13 or suite.chacha else iv
        self.overhead = TAG + (8 if self._fixed else 0)
        """Bytes by which a sealed record is longer than what is in it."""

    def open(self, number: int, header: bytes, body: bytes) -> bytes | None:
        """What is in record `number`; None: it is another record's number, or another key."""
        if len(body) < self.overhead:
            return None
        if self._fixed:
            nonce, sealed = self._fixed + body[:8], body[8:]
        else:
            nonce, sealed = (self._iv ^ number).to_bytes(12, "big"), body
        if self._tls13:
            beside = header
        else:
            size = len(body) - self.overhead
            beside = number.to_bytes(8, "big") + header[:3] + size.to_bytes(2, "big")
        try:
            return self._aead.decrypt(nonce, sealed, beside)
        except self._invalid:
            return None

    def explicit_nonce(self, body: bytes) -> int | None:
        """The 8 bytes in front of a record of TLS 1.2 with AES-GCM: senders count them up by 1."""
        return int.from_bytes(body[:8], "big") if self._fixed else None


def tls12_keys(
    suite: Suite, master: bytes, client_random: bytes, server_random: bytes
) -> tuple[RecordKeys, RecordKeys]:
    """The client's and the server's keys (RFC 5246, 6.3): an AEAD needs no keys for a MAC."""
    key, iv = suite.key_size, 12 if suite.chacha else 4
    block = _prf(
        suite.hash, master, b"key expansion" + server_random + client_random, 2 * (key + iv)
    )
    keys, ivs = block[: 2 * key], block[2 * key :]
    return (
        RecordKeys(suite, keys[:key], ivs[:iv], tls13=False),
        RecordKeys(suite, keys[key:], ivs[iv:], tls13=False),
    )


def tls13_keys(suite: Suite, secret: bytes) -> RecordKeys:
    """The keys of one direction for one traffic secret (RFC 8446, 7.3)."""
    key = expand_label(suite, secret, b"key", suite.key_size)
    return RecordKeys(suite, key, expand_label(suite, secret, b"iv", 12), tls13=True)


def next_secret(suite: Suite, secret: bytes) -> bytes:
    """The traffic secret behind a KeyUpdate (RFC 8446, 7.2)."""
    return expand_label(suite, secret, b"traffic upd", hashlib.new(suite.hash).digest_size)


def expand_label(suite: Suite, secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label without a context (RFC 8446, 7.1)."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    found, block, count = b"", b"", 0
    while len(found) < size:
        count += 1
        block = hmac.digest(secret, block + info + bytes([count]), suite.hash)
        found += block
    return found[:size]


def _prf(name: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """P_hash (RFC 5246, 5), with its label already in the seed."""
    found, chained = b"", seed
    while len(found) < size:
        chained = hmac.digest(secret, chained, name)
        found += hmac.digest(secret, chained + seed, name)
    return found[:size]
