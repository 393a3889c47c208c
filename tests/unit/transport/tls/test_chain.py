"""Chains as every Python tells them, and where they break."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest

from wsdiag.transport.tls import certs, chain
from wsdiag.transport.tls.chain import Shape
from wsdiag.transport.tls.values import ChainLink


def link(subject: str, issuer: str, *, since: str = "2000", until: str = "2999") -> ChainLink:
    return ChainLink(subject, issuer, f"{since}-01-01T00:00:00Z", f"{until}-01-01T00:00:00Z")


LEAF, MIDDLE, ROOT = link("leaf", "middle"), link("middle", "root"), link("root", "root")
STRANGER = link("stranger", "stranger")


@pytest.mark.parametrize(
    ("links", "shape", "top"),
    [
        ((LEAF,), "alone", LEAF),
        ((LEAF, MIDDLE), "open", MIDDLE),
        ((LEAF, MIDDLE, ROOT), "rooted", ROOT),
        ((LEAF, ROOT, MIDDLE), "rooted", ROOT),
        ((ROOT,), "rooted", ROOT),
        ((LEAF, STRANGER), "unrelated", LEAF),
        ((LEAF, ROOT), "unrelated", LEAF),
        ((link("a", "b"), link("b", "a")), "alone", None),
    ],
)
def test_where_a_chain_ends(
    links: tuple[ChainLink, ...], shape: Shape, top: ChainLink | None
) -> None:
    if top is None:  # a circle ends somewhere
        assert chain.shape(links) in ("open", "unrelated")
        return
    assert chain.shape(links) == shape
    assert chain.top(links) == top


def test_dates_are_judged_by_the_clock() -> None:
    old, early = link("old", "x", until="2001"), link("early", "x", since="2998")
    assert chain.expired((LEAF, old)) == old
    assert chain.not_yet_valid((LEAF, early)) == early
    assert chain.expired((LEAF, early)) is None
    assert chain.not_yet_valid((LEAF, old)) is None


def der() -> bytes:
    body = certs.throwaway_certificate(["localhost"]).ca.decode().split("-----")[2]
    return base64.b64decode(body)


def test_it_is_asked_for_as_each_python_has_it() -> None:
    made = der()
    as_object = SimpleNamespace(public_bytes=lambda encoding: made if encoding == 2 else "PEM")
    public = SimpleNamespace(get_unverified_chain=lambda: [made])  # 3.13
    private = SimpleNamespace(  # 3.10 to 3.12
        _sslobj=SimpleNamespace(get_unverified_chain=lambda: [as_object])
    )
    for tls in (public, private):
        links = chain.presented(tls)  # type: ignore[arg-type]
        assert links is not None
        assert links[0].subject.startswith("CN=wsdiag throw-away CA")


@pytest.mark.parametrize(
    "tls",
    [
        SimpleNamespace(),
        SimpleNamespace(_sslobj=SimpleNamespace()),
        SimpleNamespace(_sslobj=SimpleNamespace(get_unverified_chain=lambda: ["text"])),
        SimpleNamespace(get_unverified_chain=lambda: [b"not a certificate"]),
    ],
    ids=["another implementation", "an older one", "one that changed", "damaged"],
)
def test_where_it_cannot_be_had_nothing_is_claimed(tls: SimpleNamespace) -> None:
    assert chain.presented(tls) is None  # type: ignore[arg-type]
