from __future__ import annotations

from pathlib import Path

import pytest

from wsdiag.protocol.http import Response
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.redirects import follow, location
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError

SECRETS = DialOptions(
    headers=(("Authorization", "a"), ("cookie", "b"), ("X-Mine", "c"), ("Host", "d")),
    user="u:p",
    bearer="t",
    cookies=("k=v",),
    sni="s",
    cert=Path("c.pem"),
)


@pytest.mark.parametrize(
    ("url", "said", "expected"),
    [
        ("ws://h/a/b?c", "/x", "ws://h/x"),
        ("ws://h/a/b?c", "d", "ws://h/a/d"),
        ("ws://h/a", "?q=1", "ws://h/a?q=1"),
        ("ws://h/a", "https://o/x?y#frag", "wss://o/x?y"),
        ("wss://h/a", "wss://o/x", "wss://o/x"),
        ("wss://h/a", "//o/x", "wss://o/x"),
        ("ws://h/a", "WS://o:81/ws", "ws://o:81/ws"),
        ("ws://ws.http/ws", "/http", "ws://ws.http/http"),
        ("ws://h/a", "HTTPS://o/http", "wss://o/http"),
        ("ws://h/a", "WSS://o/http?http=ws", "wss://o/http?http=ws"),
        ("ws://h/a", "/x?a=%20b&c=d+e", "ws://h/x?a=%20b&c=d+e"),
    ],
)
def test_where_a_location_leads(url: str, said: str, expected: str) -> None:
    target = follow(Target.parse(url), DialOptions(), said).target
    assert target.url == expected


@pytest.mark.parametrize(
    ("url", "said", "before", "code"),
    [
        ("ws://h/a", "/a", (), "redirect-loop"),
        ("ws://h/b", "/a", ("ws://h/a",), "redirect-loop"),
        ("ws://h/c", "/d", ("ws://h/a", "ws://h/b"), "too-many-redirects"),
        ("wss://h/", "ws://h/", (), "redirect-downgrade"),
        ("wss://h/", "http://h/", (), "redirect-downgrade"),
        ("ws://h/", "ftp://h/", (), "redirect-bad-location"),
        ("ws://h/", "ws://h:99999/", (), "redirect-bad-location"),
        ("ws://h/", "/a b\x1b", (), "redirect-bad-location"),
        ("ws://h/", "http://[::1", (), "redirect-bad-location"),
    ],
)
def test_redirects_that_are_not_followed(
    url: str, said: str, before: tuple[str, ...], code: str
) -> None:
    with pytest.raises(DialError) as caught:
        follow(Target.parse(url), DialOptions(max_redirs=2), said, before)
    assert (caught.value.kind, caught.value.code) == ("redirect", code)


def test_insecure_allows_a_downgrade() -> None:
    target = follow(Target.parse("wss://h/"), DialOptions(insecure=True), "ws://h/").target
    assert target.url == "ws://h/"


@pytest.mark.parametrize("said", ["ws://o/", "ws://h:81/", "wss://h/"])
def test_credentials_stay_with_their_origin(said: str) -> None:
    url = "ws://me:pw@h/"
    target, options, _ = follow(Target.parse(url), SECRETS, said)
    assert options.headers == (("X-Mine", "c"),)
    assert (options.user, options.bearer, options.cookies) == (None, None, ())
    assert (options.sni, options.cert) == (None, None)
    assert target.userinfo is None


def test_that_credentials_were_dropped_is_noted_where_there_were_any() -> None:
    for options, dropped in ((SECRETS, True), (DialOptions(), False)):
        followed = follow(Target.parse("ws://h/"), options, "ws://o/")
        assert followed.credentials_dropped is dropped


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (302, [("Location", "/x")], "/x"),
        (308, [("location", "/x"), ("Location", "/y")], "/x"),
        (302, [("Location", "")], None),
        (302, [], None),
        (304, [("Location", "/x")], None),
        (201, [("Location", "/x")], None),
    ],
)
def test_what_is_a_redirect(
    status: int, headers: list[tuple[str, str]], expected: str | None
) -> None:
    assert location(Response(status, "", headers)) == expected
    assert location(None) is None


def test_credentials_go_on_within_an_origin() -> None:
    url = "ws://me:pw@h/"
    target, options, _ = follow(Target.parse(url), SECRETS, "http://H:80/x")
    assert options == SECRETS
    assert target.userinfo == "me:pw"
