"""The throw-away certificate, by each tool that can make it, and without any."""

from __future__ import annotations

import shutil
import ssl
import stat
import sys
from pathlib import Path

import pytest

from wsdiag.transport.tls import certs, x509
from wsdiag.transport.tls.certs import CertificateToolError, throwaway_certificate

NAMES = ["localhost", "*.example.com", "bücher.example", "127.0.0.1", "fe80::1%lo"]


@pytest.fixture(params=["cryptography", "openssl"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "openssl":
        monkeypatch.setitem(sys.modules, "cryptography", None)
    else:
        monkeypatch.setattr(shutil, "which", lambda name: pytest.fail(f"{name} was looked for"))
    return str(request.param)


def handshake(made: certs.ThrowawayCertificate, name: str, folder: Path) -> None:
    """A handshake in memory, as a strict verifier has it (Python 3.13's default)."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*made.write(folder))
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=made.ca.decode())
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        server.wrap_bio(there, back, server_side=True),
    ]
    for end in ends * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            pass


@pytest.mark.parametrize(
    "name", ["localhost", "a.example.com", "xn--bcher-kva.example", "127.0.0.1", "fe80::1"]
)
def test_it_is_trusted_under_each_of_its_names(tool: str, name: str, tmp_path: Path) -> None:
    handshake(throwaway_certificate(NAMES), name, tmp_path)


def test_it_is_not_trusted_under_another(tool: str, tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(throwaway_certificate(NAMES), "example.org", tmp_path)


def test_both_tools_make_the_same(tool: str) -> None:
    made = throwaway_certificate(NAMES)
    pems = made.chain.decode().split("-----BEGIN")[1:]
    leaf, ca = (x509.parse(ssl.PEM_cert_to_DER_cert(f"-----BEGIN{pem}")) for pem in pems)
    assert leaf.subject == "CN=localhost"
    assert leaf.issuer == ca.subject == ca.issuer
    assert ca.subject.startswith("CN=wsdiag throw-away CA ")
    hosts = ("localhost", "*.example.com", "xn--bcher-kva.example")
    assert leaf.sans == (*hosts, "127.0.0.1", "fe80::1")
    assert (leaf.not_after - leaf.not_before).days == 30
    assert b"PRIVATE" not in made.ca + made.chain


def test_only_the_owner_can_read_the_key(tool: str, tmp_path: Path) -> None:
    _, key = throwaway_certificate(["localhost"]).write(tmp_path)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_openssl_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    throwaway_certificate(["localhost"])
    assert list(tmp_path.iterdir()) == []


def test_with_neither_it_says_how_to_get_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CertificateToolError, match=r"wsdiag\[tls\].*openssl.*--cert"):
        throwaway_certificate(["localhost"])


def test_an_openssl_that_fails_is_told_with_what_it_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    fake = tmp_path / "openssl"
    fake.write_text("#!/bin/sh\necho first >&2; echo no such curve >&2; exit 3\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CertificateToolError, match="ecparam failed: no such curve"):
        throwaway_certificate(["localhost"])
    fake.write_text("not a program")
    with pytest.raises(CertificateToolError, match="failed"):
        throwaway_certificate(["localhost"])


@pytest.mark.parametrize("name", ["a..b", "x" * 64, "a,DNS:evil", "a\nb", "$HOME", ""])
def test_what_is_no_host_name_is_refused(tool: str, name: str) -> None:
    with pytest.raises(ValueError):
        throwaway_certificate(["localhost", name])
