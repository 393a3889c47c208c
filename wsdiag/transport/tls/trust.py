"""Whom to trust: TLS contexts for clients, and what a handshake or its failure tells."""

from __future__ import annotations

import os
import re
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wsdiag.transport.tls import chain, x509
from wsdiag.transport.tls.layer import tls_reason
from wsdiag.transport.tls.values import TlsFacts, TlsOptions

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError.verify_code has them.
_VERIFY_CODES = {
    2: "cert-unknown-ca",
    9: "cert-not-yet-valid",
    10: "cert-expired",
    18: "cert-self-signed",
    19: "cert-unknown-ca",
    20: "cert-unknown-ca",
    7: "cert-bad-signature",
    21: "cert-unknown-ca",
    23: "cert-revoked",
    26: "cert-wrong-purpose",
    24: "cert-not-a-ca",
    25: "cert-not-a-ca",
    62: "cert-wrong-name",
    64: "cert-wrong-name",
    66: "cert-weak-key",
    67: "cert-weak-key",
    68: "cert-weak-signature",
    79: "cert-not-a-ca",
}
_HASHED = re.compile(r"[0-9a-f]{8}\.\d+")


class TrustError(Exception):
    """TLS options that cannot be used: an unreadable file, a wrong password; `option` names it."""

    def __init__(self, option: str, message: str, *, wrong_password: bool = False) -> None:
        super().__init__(message)
        self.option, self.message, self.wrong_password = option, message, wrong_password


def client_context(options: TlsOptions, *, verify: bool | None = None) -> ssl.SSLContext:
    """A client's context: the system's store unless --cacert is given. Raises TrustError.

    `verify` False accepts any certificate, to read it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(list(options.alpn))
    if keylog := os.environ.get("SSLKEYLOGFILE"):
        with suppress(OSError):  # as in curl: a file that cannot be written is no reason to fail
            context.keylog_filename = keylog
    if options.insecure if verify is None else not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _load_trust(context, options)
    load_client_certificate(options, context)
    _limit_versions(context, options)
    return context


def watch_handshake(context: ssl.SSLContext) -> list[str]:
    """A list to which the names of the peer's handshake messages are added as they come.

    For connections that are made from this context after it.
    Those of TLS 1.3 are encrypted, and OpenSSL tells of them by a callback only, which Python keeps
    to itself: where it has none, the list stays empty.
    """
    messages: list[str] = []

    def note(_: object, way: str, version: object, content: object, kind: Any, data: bytes) -> None:
        if way == "read" and getattr(content, "name", "") == "HANDSHAKE":
            messages.append(getattr(kind, "name", str(kind)))

    with suppress(AttributeError):
        context._msg_callback = note  # type: ignore[attr-defined]
    return messages


def watch_no_more(context: ssl.SSLContext) -> None:
    """Let no message of the connection itself be reported."""
    with suppress(AttributeError):
        context._msg_callback = None  # type: ignore[attr-defined]


def asked_for_certificate(messages: list[str]) -> bool:
    """Whether the server asked for a client's certificate (RFC 8446, 4.3.2)."""
    return "CERTIFICATE_REQUEST" in messages


def _load_trust(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.cacert is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        if options.cacert.is_dir():
            _load_folder(context, options)
        else:
            context.load_verify_locations(cafile=options.cacert)
    except (OSError, ssl.SSLError) as error:
        raise TrustError("--cacert", f"{options.cacert}: {error_text(error)}") from error


def _load_folder(context: ssl.SSLContext, options: TlsOptions) -> None:
    """A folder of hashed certificates (c_rehash), or simply of PEM files."""
    assert options.cacert is not None
    files = sorted(options.cacert.iterdir())
    pems = [path for path in files if path.suffix in (".pem", ".crt", ".cer")]
    if not pems and not any(_HASHED.fullmatch(path.name) for path in files):
        raise OSError(None, "no .pem, .crt or .cer file in this folder, and no hashed ones")
    context.load_verify_locations(capath=options.cacert)
    for path in pems:
        try:
            context.load_verify_locations(cafile=path)
        except ssl.SSLError as error:
            raise OSError(None, f"{path.name}: {error_text(error)}") from error


def load_client_certificate(options: TlsOptions, context: ssl.SSLContext | None = None) -> None:
    """Load it into `context`; without one, only try to. Raises TrustError."""
    if options.cert is None:
        return
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ask = "--key-password-env NAME takes it from the environment"
    load_chain(context, options.cert, options.key, options.key_password, ask)


def load_chain(
    context: ssl.SSLContext, cert: Path, key: Path | None, password: str | None, ask: str
) -> None:
    """Load a certificate chain and its key (PEM); `ask`: where its password may come from.

    Raises TrustError with a message about the files.
    """
    # Without a password OpenSSL would ask on the terminal by itself, in the middle of a dial.
    try:
        context.load_cert_chain(cert, key, lambda: password or "")
    except (OSError, ssl.SSLError, ValueError) as error:
        files = f"{cert}" + (f" with {key}" if key else "")
        words, locked = _cert_problem(error, cert, key, password, ask)
        raise TrustError("--cert", f"{files}: {words}", wrong_password=locked) from error


def _cert_problem(
    error: Exception, cert: Path, key: Path | None, password: str | None, ask: str
) -> tuple[str, bool]:
    """What is wrong with the user's files, and whether it is the key's password.

    OpenSSL's own messages name its source files.
    """
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate", False
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return error_text(error), False  # no such file, no permission
    if is_encrypted(key or cert):
        return f"{'the password is wrong' if password else 'the key is encrypted'} ({ask})", True
    where = "" if key else ", or its private key is in another file (--key FILE)"
    return f"no PEM certificate with its private key in it{where}", False


def is_encrypted(file: Path | None) -> bool:
    """Whether a PEM file has an encrypted private key in it (RFC 7468, 11; RFC 1421).

    OpenSSL says "PEM lib" for a wrong password as for no PEM at all.
    """
    try:
        return file is not None and b"ENCRYPTED" in file.read_bytes()[:65536]
    except OSError:
        return False


def _limit_versions(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.tls_min is not None:
        context.minimum_version = VERSIONS[options.tls_min]
    if options.tls_max is not None:
        context.maximum_version = VERSIONS[options.tls_max]
    if context.minimum_version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1) or (
        options.tls_max in ("1.0", "1.1")
    ):
        context.minimum_version = VERSIONS[options.tls_min or "1.0"]
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 allows them at this level only


def error_text(error: Exception) -> str:
    """What OpenSSL or the system says, in lower case."""
    if isinstance(error, ssl.SSLError):
        return tls_reason(error).replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


def facts(tls: ssl.SSLObject, *, verified: bool) -> TlsFacts:
    """What was negotiated, and the certificate's names and dates, also when it is not trusted."""
    cipher = tls.cipher()
    shown = facts_of_certificate(tls.getpeercert(binary_form=True), verified=verified)
    return shown._replace(
        version=tls.version(),
        cipher=cipher[0] if cipher else None,
        alpn=tls.selected_alpn_protocol(),
        chain=chain.presented(tls),
    )


def facts_of_certificate(der: bytes | None, *, verified: bool) -> TlsFacts:
    """A certificate's names and dates; of what was negotiated there is nothing yet."""
    try:
        certificate = None if der is None else x509.parse(der)
    except x509.CertificateError:
        certificate = None
    return TlsFacts(
        version=None,
        cipher=None,
        alpn=None,
        subject=certificate.subject if certificate else None,
        issuer=certificate.issuer if certificate else None,
        sans=certificate.sans if certificate else (),
        not_before=chain.date(certificate.not_before) if certificate else None,
        not_after=chain.date(certificate.not_after) if certificate else None,
        expires_in_days=(certificate.not_after - datetime.now(UTC)).days if certificate else None,
        verified=verified,
        purposes=certificate.purposes if certificate else (),
        issuer_url=certificate.issuer_url if certificate else None,
    )


def store_facts(context: ssl.SSLContext, options: TlsOptions) -> dict[str, object]:
    """What was trusted when a verification failed: the names in --cacert, or an empty store."""
    if options.cacert is not None:
        names = []
        for der in context.get_ca_certs(binary_form=True):
            with suppress(x509.CertificateError):
                names.append(x509.parse(der).subject)
        return {"trusted": tuple(names)}
    # the authorities of a hashed folder are read on demand, and do not count as loaded before
    folder = ssl.get_default_verify_paths().capath
    filled = folder is not None and any(Path(folder).iterdir())
    return {} if filled or context.cert_store_stats()["x509_ca"] else {"store": "empty"}


def offered(options: TlsOptions) -> dict[str, object]:
    """The TLS versions that were offered, in words; {} for the default ones."""
    if options.tls_min is None and options.tls_max is None:
        return {}
    high = options.tls_max or "1.3"
    low = options.tls_min or ("1.0" if high in ("1.0", "1.1") else "1.2")
    return {"offered": low if low == high else f"{low} to {high}"}


def certificate_code(error: ssl.SSLCertVerificationError) -> str:
    """The stable id of a failed verification."""
    return _VERIFY_CODES.get(error.verify_code, "cert-invalid")
