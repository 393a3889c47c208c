"""A throw-away certificate authority and server certificate, for `serve --tls`.

Keys and signatures are a library's business: the package cryptography makes them where it is
installed, else the openssl command where it is on PATH. Both are asked for the same: ECDSA on
P-256, and the extensions that strict verifiers want (RFC 5280, 4.2).
"""

from __future__ import annotations

import ipaddress
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_DAYS = 30
_OPENSSL_TIMEOUT_S = 30
_HOW_TO_GET = (
    "a certificate is made by the package cryptography (pip install 'wsdiag[tls]') or by the "
    "openssl command, and neither is here; or give a certificate of your own: --cert and --key"
)


class CertificateToolError(RuntimeError):
    """Nothing here can make a certificate; the message says how to get what can."""


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
        key.touch(mode=0o600)
        key.write_bytes(self.key)
        return chain, key


def throwaway_certificate(names: Sequence[str]) -> ThrowawayCertificate:
    """A CA and a certificate for these host names and addresses; the CA's key is forgotten.

    Raises CertificateToolError, and ValueError for what is no host name.
    """
    label = f"wsdiag throw-away CA {secrets.token_hex(4)}"
    addresses, hosts = _addresses_and_hosts(names)
    try:
        return _by_cryptography(label, addresses, hosts)
    except ImportError:
        pass
    openssl = shutil.which("openssl")
    if openssl is None:
        raise CertificateToolError(_HOW_TO_GET)
    return _by_openssl(openssl, label, addresses, hosts)


def _addresses_and_hosts(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Addresses (without zones) and host names (as DNS has them)."""
    addresses, hosts = [], []
    for name in names:
        try:
            addresses.append(str(ipaddress.ip_address(name.partition("%")[0])))
        except ValueError:
            try:
                host = name.encode("idna").decode()
            except UnicodeError:
                host = ""
            if not host or not host.replace("-", "").replace(".", "").replace("*", "").isalnum():
                raise ValueError(f"{name!r} is not a host name or an address") from None
            hosts.append(host)
    return addresses, hosts


def _by_cryptography(label: str, addresses: list[str], hosts: list[str]) -> ThrowawayCertificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC)

    def named(common_name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])

    def usage(*, ca: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not ca,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=ca,
            crl_sign=ca,
            encipher_only=False,
            decipher_only=False,
        )

    def builder(
        subject: str, key: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(named(label))
            .subject_name(named(subject))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=_DAYS))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage(ca=ca), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
        )

    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = builder(label, ca_key, ca=True).sign(ca_key, SHA256())
    general_names = [
        *(x509.DNSName(host) for host in hosts),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    leaf = (
        builder((hosts + addresses)[0], key, ca=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(general_names), critical=False)
        .sign(ca_key, SHA256())
    )
    ca_pem = ca.public_bytes(Encoding.PEM)
    return ThrowawayCertificate(
        ca_pem,
        leaf.public_bytes(Encoding.PEM) + ca_pem,
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


_CONFIGURATION = """\
[req]
distinguished_name = subject
prompt = no
string_mask = utf8only
[subject]
CN = {subject}
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {general_names}
"""


def _by_openssl(
    openssl: str, label: str, addresses: list[str], hosts: list[str]
) -> ThrowawayCertificate:
    """The same by commands that OpenSSL 1.1 and LibreSSL have, too."""
    general_names = [f"DNS:{host}" for host in hosts] + [f"IP:{each}" for each in addresses]
    with tempfile.TemporaryDirectory(prefix="wsdiag-") as folder:

        def run(*args: str) -> None:
            done = subprocess.run(
                [openssl, *args],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_OPENSSL_TIMEOUT_S,
                check=False,
            )
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
                raise CertificateToolError(f"{openssl} {args[0]} failed: {said[-1]}")

        def read(name: str) -> bytes:
            return Path(folder, name).read_bytes()

        try:
            for name, subject in (("ca", label), ("server", (hosts + addresses)[0])):
                Path(folder, f"{name}.cnf").write_text(
                    _CONFIGURATION.format(subject=subject, general_names=", ".join(general_names))
                )
                run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
            signed = ("-days", str(_DAYS), "-sha256")
            ours = ("-new", "-key", "ca.key", "-config", "ca.cnf", "-extensions", "ca")
            run("req", "-x509", *ours, *signed, "-out", "ca.pem")
            run("req", "-new", "-key", "server.key", "-config", "server.cnf", "-out", "server.csr")
            issuer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
            extensions = ("-extfile", "server.cnf", "-extensions", "server")
            made = ("-in", "server.csr", "-out", "server.pem")
            run("x509", "-req", *issuer, *extensions, *signed, *made)
            return ThrowawayCertificate(
                read("ca.pem"), read("server.pem") + read("ca.pem"), read("server.key")
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CertificateToolError(f"{openssl} failed: {error}") from None
