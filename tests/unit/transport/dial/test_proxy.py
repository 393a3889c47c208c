from __future__ import annotations

import pytest

from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.proxy import Proxy, bypassed, choose, parse
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError

WS, WSS = Target.parse("ws://example.com/"), Target.parse("wss://example.com/")


def chosen(target: Target, environ: dict[str, str], **options: str) -> Proxy | None:
    return choose(target, DialOptions(**options), environ)[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "environ", "why"),
    [
        (WS, {"http_proxy": "http://p:1", "https_proxy": "http://q:1"}, "http_proxy"),
        (WSS, {"http_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "HTTPS_PROXY"),
        (WSS, {"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https_proxy"),
        (WSS, {"WSS_PROXY": "http://p:1", "https_proxy": "http://q:1"}, "WSS_PROXY"),
        (WS, {"ws_proxy": "http://p:1", "ALL_PROXY": "http://q:1"}, "ws_proxy"),
        (WS, {"ALL_PROXY": "socks5h://q"}, "ALL_PROXY"),
        (WS, {"http_proxy": "", "HTTP_PROXY": "http://p:1"}, "HTTP_PROXY"),
        (WSS, {"wss_proxy": "", "https_proxy": "", "all_proxy": "http://p:1"}, "all_proxy"),
    ],
)
def test_the_environment_names_the_proxy(target: Target, environ: dict[str, str], why: str) -> None:
    proxy = chosen(target, environ)
    assert proxy is not None
    assert (proxy.why, proxy.url) == (why, environ[why])


def test_the_option_beats_the_environment_and_empty_means_none() -> None:
    environ = {"https_proxy": "http://q:1"}
    proxy = chosen(WSS, environ, proxy="http://p:1")
    assert proxy is not None
    assert proxy.why == "-x"
    assert chosen(WSS, environ, proxy="") is None
    assert chosen(WSS, {"https_proxy": ""}) is None
    assert chosen(WSS, {}) is None


def test_no_proxy_from_option_or_environment() -> None:
    assert chosen(WSS, {"https_proxy": "http://q:1", "NO_PROXY": "example.com"}) is None
    assert chosen(WSS, {"NO_PROXY": "*"}, proxy="http://q:1") is None
    assert chosen(WSS, {"NO_PROXY": "*"}, proxy="http://q:1", noproxy="") is not None
    assert chosen(WSS, {"no_proxy": "", "NO_PROXY": "*"}, proxy="http://q:1") is None


@pytest.mark.parametrize(
    ("environ", "options", "why"),
    [
        ({"https_proxy": "http://q:1", "NO_PROXY": ".com"}, {}, "NO_PROXY covers example.com"),
        ({}, {"proxy": "http://q:1", "noproxy": "*"}, "--noproxy covers example.com"),
        ({"http_proxy": "http://p:1"}, {}, "http_proxy is for ws:// only"),
        ({"NO_PROXY": "*"}, {}, None),
    ],
)
def test_what_kept_a_proxy_from_being_used_is_noted(
    environ: dict[str, str], options: dict[str, str], why: str | None
) -> None:
    proxy, noted = choose(WSS, DialOptions(**options), environ)  # type: ignore[arg-type]
    assert proxy is None
    assert (why is None) == (noted is None)
    assert (why or "") in (noted or "")


@pytest.mark.parametrize(
    ("host", "port", "exceptions", "expected"),
    [
        ("example.com", 443, "example.com", True),
        ("EXAMPLE.com", 443, "Example.COM", True),
        ("a.example.com", 443, "example.com", True),
        ("a.example.com", 443, ".example.com", True),
        ("example.com", 443, ".example.com", True),
        ("badexample.com", 443, "example.com", False),
        ("example.com", 443, "a.example.com", False),
        ("example.com", 443, "x, y example.com", True),
        ("example.com.", 443, "example.com", True),
        ("example.com", 443, "", False),
        ("example.com", 443, ".", False),
        ("anything", 1, "*", True),
        ("anything", 1, " * ", True),
        ("anything", 1, "*, other", False),
        ("example.com", 443, "example.com:443", True),
        ("example.com", 8443, "example.com:443", False),
        ("10.1.2.3", 80, "10.0.0.0/8", True),
        ("11.1.2.3", 80, "10.0.0.0/8", False),
        ("10.1.2.3", 80, "10.1.2.3", True),
        ("10.1.2.3", 80, "2.3", False),
        ("::1", 80, "::1", True),
        ("::1", 80, "[::1]", True),
        ("::1", 80, "[::1]:80", True),
        ("::1", 80, "[::1]:81", False),
        ("2001:db8::7", 80, "2001:db8::/32", True),
        ("2001:db8::7", 80, "10.0.0.0/8", False),
        ("fe80::1%eth0", 80, "fe80::/10", True),
    ],
)
def test_no_proxys_list(host: str, port: int, exceptions: str, expected: bool) -> None:
    assert bypassed(host, port, exceptions) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("p.test:3128", ("http", "p.test", 3128, None)),
        ("http://p.test", ("http", "p.test", 1080, None)),
        ("https://p.test", ("https", "p.test", 443, None)),
        ("socks5://[::1]:9", ("socks5", "::1", 9, None)),
        ("http://[fe80::1%25eth0]:9", ("http", "fe80::1%eth0", 9, None)),
        ("http://me:p%40ss@p.test:1", ("http", "p.test", 1, "me:p@ss")),
        ("http://me@p.test:1", ("http", "p.test", 1, "me:")),
        ("http://m%C3%A9@p.test:1", ("http", "p.test", 1, "m\u00e9:")),
    ],
)
def test_a_proxys_url(url: str, expected: tuple[str, str, int, str | None]) -> None:
    proxy = parse(url, "-x")
    assert (proxy.scheme, proxy.host, proxy.port, proxy.user) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://p.test", "http://", "http://p:99999", "http://p:x", "http://me:top/secret@p"),
        *("socks5h://me:t%C3%B6p@p", f"socks5://top{'p' * 253}:a@p"),
    ],
)
def test_what_is_no_proxy_is_a_usage_error(url: str) -> None:
    with pytest.raises(DialError) as caught:
        chosen(WSS, {}, proxy=url)
    assert (caught.value.kind, caught.value.code) == ("usage", "bad-proxy")
    assert "top" not in caught.value.message
