"""Proxies whose answers are wrong: the error names the proxy, and a refusal stands."""

from __future__ import annotations

import asyncio

import pytest

from tests.attack.proxies import GREETING, dialled, says
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError


def test_a_socks_proxy_may_call_itself_what_it_likes() -> None:
    named = b"\x05\x00\x00\x03\x04\xff.bc\x00\x51"
    assert asyncio.run(dialled("socks5h://", says([GREETING, named]))) == ("proxy-socks", None)


def test_a_refusal_stands_though_its_body_is_broken() -> None:
    head = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
    for body in (b"zz\r\n", b"-1\r\n", b"5\r\nab"):
        assert asyncio.run(dialled("http://", says([head + body]))) == ("proxy-http-403", None)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.test", ".".join(["a" * 60] * 5)])
def test_a_name_that_socks_cannot_carry_is_told_as_without_a_proxy(host: str) -> None:
    options = DialOptions(proxy="socks5h://127.0.0.1:1")
    with pytest.raises(DialError) as caught:
        asyncio.run(dial(f"ws://{host}/", options))
    assert caught.value.code == "dns-bad-name"
