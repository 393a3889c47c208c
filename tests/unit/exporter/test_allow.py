"""Globs of what /probe may be pointed at: compared part by part, by what would be dialled."""

from __future__ import annotations

import pytest

from wsdiag.exporter.allow import Allowed
from wsdiag.transport.dial.target import Target


def allows(glob: str, url: str) -> bool:
    return Allowed((glob,)).allows(Target.parse(url))


@pytest.mark.parametrize(
    ("glob", "url"),
    [
        ("wss://*.example.org", "wss://a.example.org/ws?x=1"),
        ("wss://*.example.org/*", "wss://a.b.example.org/"),
        ("wss://example.org", "https://EXAMPLE.org./ws"),
        ("*.example.org", "ws://a.example.org"),
        ("ws://127.0.0.1:*", "ws://127.0.0.1:8080/echo"),
        ("ws://127.0.0.1*", "ws://127.0.0.1:8080/echo"),
        ("ws://127.0.0.1:80*0/echo", "ws://127.0.0.1:8090/echo"),
        ("ws://[::1]:*", "ws://[::1]:1/"),
        ("*", "wss://anything.test:1/x"),
        ("*://*", "ws://anything.test:1/x"),
    ],
)
def test_what_matches(glob: str, url: str) -> None:
    assert allows(glob, url)


@pytest.mark.parametrize(
    ("glob", "url"),
    [
        ("wss://*.example.org/*", "wss://evil.test/x.example.org/"),
        ("wss://*.example.org/*", "wss://evil.test?x.example.org/"),
        ("wss://*.example.org", "wss://a.example.org.evil.test"),
        ("wss://*.example.org", "wss://a.example.org@evil.test"),
        ("wss://*.example.org", "wss://user@a.example.org"),
        ("wss://*.example.org", "wss://example.org"),
        ("wss://*.example.org", "ws://a.example.org"),
        ("wss://a.example.org", "wss://a.example.org:8443"),
        ("ws://a/health/*", "ws://a/health/../admin"),
        ("ws://a/health/*", "ws://a/health/%2e%2e/admin"),
        ("ws://a/health/*", "ws://a/health\\..\\admin"),
        ("ws://a/health", "ws://a/healthy"),
        ("ws://127.0.0.1:80", "ws://127.0.0.1:8080"),
        ("ws://127.0.0.1:*", "ws://127.1:80/"),
        ("ws://10.0.0.*", "ws://a10.0.0.1.evil.test/x"),
    ],
)
def test_what_does_not(glob: str, url: str) -> None:
    assert not allows(glob, url)


def test_without_globs_nothing_is_allowed() -> None:
    assert not Allowed().allows(Target.parse("ws://localhost"))


@pytest.mark.parametrize("glob", ["ftp://a", "", "ws://", "ws://a:b", "ws://a@b", "a b://c"])
def test_what_is_no_glob(glob: str) -> None:
    with pytest.raises(ValueError, match="glob"):
        Allowed((glob,))
