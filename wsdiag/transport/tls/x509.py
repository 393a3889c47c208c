"""A certificate's names and dates, read from DER (X.690) without verifying anything.

Python shows a certificate's fields only after it was verified. A diagnosis needs them most when
verification failed, so the few fields it needs are read here (RFC 5280, 4.1).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime

_ATTRIBUTES = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.5": "serialNumber",
    "1.2.840.113549.1.9.1": "emailAddress",
    "0.9.2342.19200300.100.1.25": "DC",
}
_SUBJECT_ALT_NAME, _EXTENDED_KEY_USAGE = "2.5.29.17", "2.5.29.37"
_AUTHORITY_INFO_ACCESS, _CA_ISSUERS = "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.48.2"
_PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}
_LONGEST_OID = 128
_STRINGS = {0x1E: "utf-16-be", 0x1C: "utf-32-be", 0x14: "latin-1"}

Element = tuple[int, bytes]


class CertificateError(ValueError):
    """Bytes that are not a certificate."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Subject and issuer as `CN=…, O=…`; `sans` as plain names and addresses; dates in UTC."""

    subject: str
    issuer: str
    sans: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    purposes: tuple[str, ...] = ()
    """Extended key usages (RFC 5280, 4.2.1.12), `serverAuth` and so on; () for any."""
    issuer_url: str | None = None
    """Where the issuer publishes its own certificate (RFC 5280, 4.2.2.1)."""


def parse(der: bytes) -> Certificate:
    """Read one certificate. Raises CertificateError."""
    try:
        (certificate,) = _elements(der)
        fields = _elements(_elements(certificate[1])[0][1])
        at = 1 if fields[0][0] == 0xA0 else 0  # [0] version is absent in version 1
        not_before, not_after = _elements(fields[at + 3][1])
        extensions = _extensions(fields[at + 6 :])
        return Certificate(
            _name(fields[at + 4][1]),
            _name(fields[at + 2][1]),
            _sans(extensions),
            _time(not_before),
            _time(not_after),
            _purposes(extensions),
            _issuer_url(extensions),
        )
    except (IndexError, ValueError, OverflowError) as error:
        raise CertificateError(f"not a certificate: {error}") from error


def _elements(data: bytes) -> list[Element]:
    """(tag, contents) of the elements that `data` consists of."""
    found, at = [], 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise ValueError("an element is cut short")
        found.append((tag, data[at : at + length]))
        at += length
    return found


def _oid(data: bytes) -> str:
    """An object identifier in dots; one longer than any that is in use, as it is in DER."""
    if len(data) > _LONGEST_OID:
        return f"0x{data.hex()}"
    arcs, value = [], 0
    for byte in data:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _name(data: bytes) -> str:
    """A distinguished name in the order it is written (RFC 5280, 4.1.2.4)."""
    parts = []
    for _, attributes in _elements(data):
        for _, attribute in _elements(attributes):
            (_, oid), (tag, value) = _elements(attribute)
            key = _oid(oid)
            text = value.decode(_STRINGS.get(tag, "utf-8"), "replace")
            parts.append(f"{_ATTRIBUTES.get(key, key)}={text}")
    return ", ".join(parts)


def _time(element: Element) -> datetime:
    """UTCTime (two-digit years up to 2049) or GeneralizedTime (RFC 5280, 4.1.2.5)."""
    tag, data = element
    text = data.decode("ascii")
    if tag == 0x17:
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _extensions(optional_fields: list[Element]) -> dict[str, bytes]:
    """The extensions' values by their object identifiers (RFC 5280, 4.1.2.9)."""
    found = {}
    for tag, data in optional_fields:
        if tag != 0xA3:
            continue
        for _, extension in _elements(_elements(data)[0][1]):
            oid, *_, (_, value) = _elements(extension)
            found[_oid(oid[1])] = value
    return found


def _sequence(value: bytes | None) -> list[Element]:
    """The elements of a SEQUENCE; [] without a value."""
    return [] if value is None else _elements(_elements(value)[0][1])


def _sans(extensions: dict[str, bytes]) -> tuple[str, ...]:
    """The names in the subjectAltName extension (RFC 5280, 4.2.1.6); () without one."""
    names = map(_general_name, _sequence(extensions.get(_SUBJECT_ALT_NAME)))
    return tuple(name for name in names if name is not None)


def _purposes(extensions: dict[str, bytes]) -> tuple[str, ...]:
    oids = (_oid(data) for _, data in _sequence(extensions.get(_EXTENDED_KEY_USAGE)))
    return tuple(_PURPOSES.get(oid, oid) for oid in oids)


def _issuer_url(extensions: dict[str, bytes]) -> str | None:
    for _, description in _sequence(extensions.get(_AUTHORITY_INFO_ACCESS)):
        (_, method), (tag, location) = _elements(description)
        if _oid(method) == _CA_ISSUERS and tag == 0x86:
            return location.decode("ascii", "replace")
    return None


def _general_name(element: Element) -> str | None:
    tag, data = element
    if tag in (0x81, 0x82, 0x86):  # rfc822Name, dNSName, uniformResourceIdentifier
        return data.decode("ascii", "replace")
    return str(ipaddress.ip_address(data)) if tag == 0x87 and len(data) in (4, 16) else None
