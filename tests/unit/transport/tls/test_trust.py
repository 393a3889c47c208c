"""What is said of a client certificate that cannot be used."""

import subprocess
from pathlib import Path

import pytest

from tests.peers.tools import require_tool
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.tls.trust import TrustError, client_context


def _pair(folder: Path, name: str, password: str | None = None) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    hidden = ["-passout", f"pass:{password}"] if password else ["-nodes"]
    subprocess.run(
        [
            require_tool("openssl"),
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-keyout",
            str(key),
            "-out",
            str(cert),
            *hidden,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return cert, key


def _refusal(**options: object) -> str:
    with pytest.raises(TrustError) as caught:
        client_context(DialOptions(**options))  # type: ignore[arg-type]
    return str(caught.value)


def test_an_encrypted_key_asks_for_its_password(tmp_path: Path) -> None:
    cert, key = _pair(tmp_path, "hidden", "correct horse")
    assert "the key is encrypted" in _refusal(cert=cert, key=key)
    assert "the password is wrong" in _refusal(cert=cert, key=key, key_password="staple")
    client_context(DialOptions(cert=cert, key=key, key_password="correct horse"))


def test_a_key_of_another_certificate_is_named(tmp_path: Path) -> None:
    cert, _ = _pair(tmp_path, "one")
    _, key = _pair(tmp_path, "two")
    assert "does not belong to the certificate" in _refusal(cert=cert, key=key)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a certificate")
    said = _refusal(cert=file)
    assert "notes.txt" in said
    assert "no PEM certificate" in said


def test_a_folder_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("nothing here")
    assert "no .pem, .crt or .cer file" in _refusal(cacert=tmp_path)
    (tmp_path / "broken.pem").write_text("no certificate")
    assert "broken.pem: no certificate or crl found" in _refusal(cacert=tmp_path)
