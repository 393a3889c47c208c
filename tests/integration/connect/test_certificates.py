"""Every way in which a certificate can fail is told with its chain, names, dates and what to do."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.integration.connect.tls import (
    DAY,
    NOW,
    PURPOSE,
    Made,
    connect_tls,
    context_for,
    make,
    serving,
    trusting,
)
from wsdiag.records import ConnectResult, Error
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.view import connect_view
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.tls import chain

ROOT = make("Root", ca=True)
INTERMEDIATE = make("Intermediate", ROOT, ca=True)
STRANGER = make("Stranger", ca=True)
LEAF = make("leaf", INTERMEDIATE)
OLD_INTERMEDIATE = make("Old Intermediate", ROOT, ca=True, ends=NOW - DAY)
OLD_ROOT = make("Old Root", ca=True, ends=NOW - DAY)
NO_CA = make("Not A CA", ROOT)
OTHER_ROOT = make("Root", ca=True)

# name: (what the server presents, what is trusted, the message, the hint)
BROKEN: dict[str, tuple[tuple[Made, ...], Made, str, str]] = {
    "expired": (
        (make("leaf", ROOT, ends=NOW - DAY),),
        ROOT,
        "certificate of localhost expired on",
        "Renew",
    ),
    "an intermediate expired": (
        (make("leaf", OLD_INTERMEDIATE), OLD_INTERMEDIATE),
        ROOT,
        "still valid, but one above it expired on",
        "current intermediate",
    ),
    "a root expired": (
        (make("leaf", OLD_ROOT),),
        OLD_ROOT,
        "leads to a certificate that has expired",
        "--cacert",
    ),
    "wrong name": (
        (make("leaf", ROOT, sans=["other.test"]),),
        ROOT,
        "is for other.test, not for localhost",
        "--sni",
    ),
    "no intermediate": (
        (LEAF,),
        ROOT,
        "its issuer was not sent and is not in --cacert: CN=Intermediate is missing",
        "--cacert has CN=Root.",
    ),
    "no intermediate, and its place is known": (
        (make("leaf", INTERMEDIATE, issuer_url="http://pki.test/i.crt"),),
        ROOT,
        "without the one of its issuer: CN=Intermediate is missing",
        "http://pki.test/i.crt",
    ),
    "another intermediate": (
        (LEAF, STRANGER),
        ROOT,
        "sent 2 certificates, but the issuer of its own is not among them: CN=Intermediate",
        "fullchain.pem",
    ),
    "unknown CA": (
        (LEAF, INTERMEDIATE),
        STRANGER,
        "ends at CN=Intermediate, whose issuer is not trusted here",
        "--cacert FILE",
    ),
    "unknown CA, its root sent": (
        (make("leaf", STRANGER), STRANGER),
        ROOT,
        "ends in a root that is not trusted here: CN=Stranger",
        "--cacert FILE",
    ),
    "a CA re-created under its name": (
        (make("leaf", OTHER_ROOT),),
        ROOT,
        "CN=Root",
        "same name, other key",
    ),
    "self-signed": ((make("lonely"),), ROOT, "is self-signed (issued by CN=lonely)", "--cacert"),
    "wrong purpose": (
        (make("leaf", ROOT, purpose=PURPOSE.CLIENT_AUTH),),
        ROOT,
        "its extended key usage is clientAuth",
        "serverAuth",
    ),
    "weak key": ((make("leaf", ROOT, rsa_bits=1024),), ROOT, "key too weak", "RSA 2048"),
    "issued by none that may": (
        (make("leaf", NO_CA), NO_CA),
        ROOT,
        "an issuer that is not a CA",
        "CA:TRUE",
    ),
}


def failed(result: ConnectResult) -> Error:
    assert result.error is not None, result
    assert (result.error.kind, result.error.phase) == ("cert", "tls")
    assert "?" not in result.error.message + (result.error.hint or ""), "a fact is missing"
    return result.error


def view(result: ConnectResult) -> str:
    terminal = Terminal(width=200)
    with terminal.out.capture() as shown:
        terminal.print(connect_view(terminal.clean(result)))
    return shown.get()


@pytest.mark.parametrize("kind", BROKEN)
def test_certificate_problems_are_told_in_full(kind: str, tmp_path: Path) -> None:
    presented, root, seen, change = BROKEN[kind]
    result = asyncio.run(connect_tls(serving(*presented), trusting(tmp_path, root)))
    error = failed(result)
    assert seen in error.message
    assert change in (error.hint or "")
    assert result.tls is not None
    assert not result.tls.verified
    links = result.tls.chain or ()
    assert [link.subject for link in links] == [
        each.cert.subject.rfc4514_string() for each in presented
    ]
    assert links[0].not_after == presented[0].cert.not_valid_after_utc.strftime("%Y-%m-%dT%XZ")
    shown = view(result)
    for number, link in enumerate(links):
        issuer = "self-signed" if link.issuer == link.subject else f"issuer {link.issuer}"
        assert f"{number} {link.subject}  ({issuer}, valid {link.not_before}" in shown
    assert "not trusted" in shown
    assert "(-k)" not in shown.partition("not trusted")[2], "nobody gave -k"


def test_a_certificate_of_the_future(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    leaf = authority.issue_cert("localhost", not_before=NOW + DAY)
    options = DialOptions(cacert=tmp_path / "ca.pem", family=4)
    error = failed(asyncio.run(connect_tls(context_for(leaf), options)))
    assert "is valid only from" in error.message
    assert "timedatectl" in (error.hint or "")


def test_the_systems_store_is_asked_without_cacert() -> None:
    options = DialOptions(family=4)
    error = failed(asyncio.run(connect_tls(serving(make("leaf", STRANGER)), options)))
    assert "CN=Stranger" in error.message
    assert "--cacert has" not in (error.hint or ""), "no --cacert was given"


def test_no_store_at_all_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    options = DialOptions(family=4)
    error = failed(asyncio.run(connect_tls(serving(make("leaf", STRANGER)), options)))
    assert "this Python knows no certificate authorities at all" in error.message
    assert "ca-certificates" in (error.hint or "")


def test_a_python_that_does_not_tell_the_chain_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chain, "presented", lambda _tls: None)
    result = asyncio.run(connect_tls(serving(LEAF), trusting(tmp_path, ROOT)))
    error = failed(result)
    assert "signed by a CA that is not known here: CN=Intermediate" in error.message
    assert result.tls is not None
    assert result.tls.chain is None
    assert any("does not tell which chain" in note for note in result.notes)


def test_the_chain_of_a_good_connection_is_told_as_well(tmp_path: Path) -> None:
    result = asyncio.run(connect_tls(serving(LEAF, INTERMEDIATE), trusting(tmp_path, ROOT)))
    assert result.tls is not None
    assert result.tls.verified
    assert [link.issuer for link in result.tls.chain or ()] == ["CN=Intermediate", "CN=Root"]


def test_the_record_carries_the_chain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = asyncio.run(connect_tls(serving(LEAF), trusting(tmp_path, ROOT)))
    Terminal().json(result)
    (link,) = json.loads(capsys.readouterr().out)["tls"]["chain"]
    assert (link["subject"], link["issuer"]) == ("CN=leaf", "CN=Intermediate")
    assert set(link) == {"subject", "issuer", "not_before", "not_after"}


def test_a_certificate_without_alternative_names_is_noted(tmp_path: Path) -> None:
    leaf = make("localhost", ROOT, sans=())
    result = asyncio.run(connect_tls(serving(leaf), trusting(tmp_path, ROOT)))
    assert result.tls is not None
    assert result.tls.verified, "OpenSSL falls back to the common name"
    assert any("no subjectAltName" in note for note in result.notes)


@pytest.mark.parametrize(
    ("days", "words"), [(13, "expires in 12 days,"), (2, "expires in 1 day,"), (15, None)]
)
def test_a_certificate_that_ends_soon_is_a_warning(
    days: int, words: str | None, tmp_path: Path
) -> None:
    leaf = make("leaf", ROOT, ends=datetime.now(UTC) + timedelta(days=days))
    result = asyncio.run(connect_tls(serving(leaf), trusting(tmp_path, ROOT)))
    told = [note for note in result.notes if "expires" in note]
    assert [words in note for note in told] == ([True] if words else []), result.notes


def test_an_intermediate_that_ends_soon_is_a_warning_as_well(tmp_path: Path) -> None:
    ending = make("Ending", ROOT, ca=True, ends=datetime.now(UTC) + 5 * DAY)
    context = serving(make("leaf", ending), ending)
    result = asyncio.run(connect_tls(context, trusting(tmp_path, ROOT)))
    assert any("expires soon" in note and "CN=Ending" in note for note in result.notes)


def test_an_unverified_certificate_is_noted() -> None:
    insecure = DialOptions(insecure=True, family=4)
    context = serving(make("leaf", STRANGER, rsa_bits=1024))
    result = asyncio.run(connect_tls(context, insecure))
    assert result.tls is not None
    assert not result.tls.verified
    assert any("not verified" in note for note in result.notes)
    assert result.error is not None
    assert result.error.kind == "upgrade", "-k measures whatever the certificate"
