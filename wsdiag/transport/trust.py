"""Whom to trust: TLS contexts for clients, and what a handshake or its failure tells."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from wsdiag.transport import x509
from wsdiag.transport.options import DialOptions
from wsdiag.transport.report import TlsFacts

VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3,
}  # fmt: skip

# X509_V_ERR_* of OpenSSL's x509_vfy.h, as SSLCertVerificationError.verify_code has them.
_VERIFY_CODES = {
    2: "cert-unknown-ca", 9: "cert-not-yet-valid", 10: "cert-expired",
    18: "cert-self-signed", 19: "cert-unknown-ca", 20: "cert-unknown-ca",
    21: "cert-unknown-ca", 23: "cert-revoked", 26: "cert-wrong-purpose",
    62: "cert-wrong-name", 64: "cert-wrong-name", 66: "cert-weak-key", 68: "cert-weak-signature",
}  # fmt: skip


class TrustError(Exception):
    """TLS options that cannot be used: an unreadable file, a wrong password; `option` names it."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option, self.message = option, message


def client_context(options: DialOptions, *, verify: bool | None = None) -> ssl.SSLContext:
    """A client's context: the system's store unless --cacert is given. TrustError.

    `verify` False looks at a certificate without judging it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if options.insecure if verify is None else not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _load_trust(context, options)
    _load_client_certificate(context, options)
    _limit_versions(context, options)
    return context


def _load_trust(context: ssl.SSLContext, options: DialOptions) -> None:
    if options.cacert is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    try:
        if options.cacert.is_dir():
            _load_folder(context, options)
        else:
            context.load_verify_locations(cafile=options.cacert)
    except (OSError, ssl.SSLError) as error:
        raise TrustError("--cacert", f"{options.cacert}: {_words(error)}") from error


def _load_folder(context: ssl.SSLContext, options: DialOptions) -> None:
    """A folder of hashed certificates (c_rehash), or simply of PEM files."""
    assert options.cacert is not None
    context.load_verify_locations(capath=options.cacert)
    for path in sorted(options.cacert.iterdir()):
        if path.suffix in (".pem", ".crt", ".cer"):
            context.load_verify_locations(cafile=path)


def _load_client_certificate(context: ssl.SSLContext, options: DialOptions) -> None:
    if options.cert is not None:
        ask = "--key-password-env NAME takes it from the environment"
        load_chain(context, options.cert, options.key, options.key_password, ask)


def load_chain(
    context: ssl.SSLContext, cert: Path, key: Path | None, password: str | None, ask: str
) -> None:
    """Load a certificate chain and its key (PEM); `ask`: where its password may come from.

    TrustError in words about the files.
    """
    # Without a password OpenSSL would ask on the terminal by itself, in the middle of a dial.
    try:
        context.load_cert_chain(cert, key, lambda: password or "")
    except (OSError, ssl.SSLError, ValueError) as error:
        files = f"{cert}" + (f" with {key}" if key else "")
        words = _cert_words(error, cert, key, password, ask)
        raise TrustError("--cert", f"{files}: {words}") from error


def _cert_words(
    error: Exception, cert: Path, key: Path | None, password: str | None, ask: str
) -> str:
    """OpenSSL names its own source files; say what is wrong with the user's."""
    reason = getattr(error, "reason", None) or ""
    if reason == "KEY_VALUES_MISMATCH":
        return "the key does not belong to the certificate"
    if isinstance(error, ssl.SSLError):
        if _is_encrypted(key or cert):
            wrong = "the password is wrong" if password else "the key is encrypted"
            return f"{wrong} ({ask})"
        where = "" if key else ", or its private key is in another file (--key FILE)"
        return f"no PEM certificate with its private key in it{where}"
    if _is_encrypted(key or cert):
        return f"the key is encrypted ({ask})"
    return _words(error)


def _is_encrypted(file: Path | None) -> bool:
    # OpenSSL says "PEM lib" for a wrong password as for no PEM at all (RFC 7468, 11; RFC 1421)
    try:
        return file is not None and b"ENCRYPTED" in file.read_bytes()[:65536]
    except OSError:
        return False


def _limit_versions(context: ssl.SSLContext, options: DialOptions) -> None:
    if options.tls_min is not None:
        context.minimum_version = VERSIONS[options.tls_min]
    if options.tls_max is not None:
        context.maximum_version = VERSIONS[options.tls_max]
    if context.minimum_version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1) or (
        options.tls_max in ("1.0", "1.1")
    ):
        context.minimum_version = VERSIONS[options.tls_min or "1.0"]
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # OpenSSL 3 allows them at this level only


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error)


def facts(tls: ssl.SSLObject, *, verified: bool) -> TlsFacts:
    """What was negotiated, and the certificate's names and dates, also when it is not trusted."""
    cipher = tls.cipher()
    certificate = _leaf(tls)
    return TlsFacts(
        version=tls.version(), cipher=cipher[0] if cipher else None,
        alpn=tls.selected_alpn_protocol(),
        subject=certificate.subject if certificate else None,
        issuer=certificate.issuer if certificate else None,
        sans=certificate.sans if certificate else (),
        not_before=_date(certificate.not_before) if certificate else None,
        not_after=_date(certificate.not_after) if certificate else None,
        expires_in_days=(certificate.not_after - datetime.now(UTC)).days if certificate else None,
        verified=verified,
    )  # fmt: skip


def _leaf(tls: ssl.SSLObject) -> x509.Certificate | None:
    der = tls.getpeercert(binary_form=True)
    if der is None:
        return None
    try:
        return x509.parse(der)
    except x509.CertificateError:
        return None


def _date(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def certificate_code(error: ssl.SSLCertVerificationError) -> str:
    """The stable id of a failed verification."""
    return _VERIFY_CODES.get(error.verify_code, "cert-invalid")
