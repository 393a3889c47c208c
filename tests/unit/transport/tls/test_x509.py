from __future__ import annotations

import base64
import ssl

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from wsdiag.transport.tls import x509
from wsdiag.transport.tls.certs import throwaway_certificate
from wsdiag.transport.tls.x509 import CertificateError


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


END = b"-----END CERTIFICATE-----\n"


def leaf_of(chain: bytes) -> bytes:
    return chain.split(END)[0] + END


MADE = der(
    leaf_of(
        throwaway_certificate(["example.com", "*.example.com", "192.0.2.1", "2001:db8::1"]).chain
    )
)


def test_names_and_dates_of_our_own_certificate() -> None:
    certificate = x509.parse(MADE)
    assert certificate.subject == "CN=example.com"
    assert certificate.issuer.startswith("CN=wsdiag throw-away CA ")
    assert certificate.sans == ("example.com", "*.example.com", "192.0.2.1", "2001:db8::1")
    assert (certificate.not_after - certificate.not_before).days == 30


def test_another_makers_certificate() -> None:
    ca = trustme.CA(organization_name="Ünïcode Ltd")
    issued = ca.issue_cert("localhost", common_name="leaf")
    certificate = x509.parse(der(issued.cert_chain_pems[0].bytes()))
    assert "CN=leaf" in certificate.subject
    assert certificate.sans == ("localhost",)
    assert "O=Ünïcode Ltd" in certificate.issuer
    assert certificate.not_after.year == 3000  # GeneralizedTime
    root = x509.parse(der(ca.cert_pem.bytes()))
    assert root.subject == root.issuer == certificate.issuer


@given(st.binary(max_size=400))
def test_bytes_that_are_no_certificate_are_refused(data: bytes) -> None:
    with pytest.raises(CertificateError):
        x509.parse(data)


@given(st.integers(0, len(MADE) - 1), st.integers(0, 255))
def test_a_damaged_certificate_is_read_or_refused(at: int, value: int) -> None:
    damaged = MADE[:at] + bytes((value,)) + MADE[at + 1 :]
    try:
        x509.parse(damaged)
    except CertificateError:
        pass


def test_openssl_trusts_what_throwaway_certificate_makes() -> None:
    made = throwaway_certificate(["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=made.ca.decode())
    (ca,) = context.get_ca_certs()
    assert ca["subject"] == ca["issuer"]
    assert base64.b64encode(der(made.ca)) in made.ca.replace(b"\n", b"")


def test_an_identifier_without_end_is_not_made_a_number() -> None:
    """Its arcs are numbers in base 128, and those of a million bits take seconds."""
    identifier = b"\xff" * 100_000 + b"\x7f"
    assert x509._oid(identifier) == f"0x{identifier.hex()}"
    assert x509._oid(bytes.fromhex("551d25")) == "2.5.29.37"
