"""A TLS server that answers 404, and certificates with any one thing wrong about them."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wsdiag.probes.connect.run import connect
from wsdiag.records import ConnectResult
from wsdiag.transport.dial.options import DialOptions

NOW, DAY = datetime.now(UTC), timedelta(days=1)
ACCESS, PURPOSE = x509.oid.AuthorityInformationAccessOID, x509.oid.ExtendedKeyUsageOID


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate and its key, both as objects."""

    cert: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.cert.public_bytes(ser.Encoding.PEM)


def make(
    name: str,
    issuer: Made | None = None,
    *,
    ca: bool = False,
    sans: Sequence[str] = ("localhost",),
    ends: datetime = NOW + 90 * DAY,
    rsa_bits: int | None = None,
    purpose: x509.ObjectIdentifier | None = None,
    issuer_url: str | None = None,
) -> Made:
    """A certificate of `issuer`'s (self-signed without one), on P-256 unless `rsa_bits`."""
    key = (
        rsa.generate_private_key(65537, rsa_bits)
        if rsa_bits
        else ec.generate_private_key(ec.SECP256R1())
    )
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.cert.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if issuer is not None:
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.cert.public_key())  # type: ignore[arg-type]
        builder = builder.add_extension(above, False)
    if sans and not ca:
        names = x509.SubjectAlternativeName([x509.DNSName(san) for san in sans])
        builder = builder.add_extension(names, False)
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), False)
    if issuer_url is not None:
        place = x509.AccessDescription(
            ACCESS.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
        )
        builder = builder.add_extension(x509.AuthorityInformationAccess([place]), False)
    return Made(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def serving(leaf: Made, *above: Made) -> ssl.SSLContext:
    """A server's context that presents `leaf` and what stands above it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # weak keys are the client's business
    key = leaf.key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption())
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key + leaf.pem + b"".join(each.pem for each in above))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def context_for(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's context with one of trustme's certificates."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    return context


def trusting(folder: Path, *roots: Made) -> DialOptions:
    """Options that trust these roots only."""
    (folder / "roots.pem").write_bytes(b"".join(root.pem for root in roots))
    return DialOptions(cacert=folder / "roots.pem", family=4)


async def connect_tls(context: ssl.SSLContext, options: DialOptions) -> ConnectResult:
    """`connect` to a TLS server that answers every request with 404."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await connect(f"wss://localhost:{port}/", options)
