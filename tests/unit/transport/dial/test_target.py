from __future__ import annotations

import pytest

from wsdiag.transport.dial.target import Target, UrlError


@pytest.mark.parametrize(
    ("text", "secure", "host", "port", "path"),
    [
        ("example.com", True, "example.com", 443, "/"),
        ("localhost:8765/echo", False, "localhost", 8765, "/echo"),
        ("app.localhost", False, "app.localhost", 80, "/"),
        ("127.0.0.1", False, "127.0.0.1", 80, "/"),
        ("127.8.8.8:1", False, "127.8.8.8", 1, "/"),
        ("[::1]:9", False, "::1", 9, "/"),
        ("ws://example.com", False, "example.com", 80, "/"),
        ("WSS://example.com:8443/a/b?c=d&e", True, "example.com", 8443, "/a/b?c=d&e"),
        ("http://example.com/x", False, "example.com", 80, "/x"),
        ("https://example.com?q=1", True, "example.com", 443, "/?q=1"),
        ("ws://[fe80::1%25eth0]/", False, "fe80::1%eth0", 80, "/"),
        ("ws://[fe80::1%eth0]/", False, "fe80::1%eth0", 80, "/"),
        ("ws://münchen.example/", False, "xn--mnchen-3ya.example", 80, "/"),
        ("ws://h/%7Ea//b/../c?x=%20#".rstrip("#"), False, "h", 80, "/%7Ea//b/../c?x=%20"),
        ("ws://straße.example/", False, "xn--strae-oqa.example", 80, "/"),
        ("ws://FAẞ.Βόλος.example/", False, "xn--fa-hia.xn--nxasmm1c.example", 80, "/"),
        ("ws://日本。example/", False, "xn--wgv71a.example", 80, "/"),
        ("ws:8080/x", True, "ws", 8080, "/x"),
        ("ws://h/ü?q=ü&r=%C3%BC+x", False, "h", 80, "/%C3%BC?q=%C3%BC&r=%C3%BC+x"),
        ("ws://example.com:/", False, "example.com", 80, "/"),
        ('ws://h/{a}|b?f={"c":1}|d', False, "h", 80, "/%7Ba%7D|b?f={%22c%22:1}|d"),
        ("ws://h/a^b`<c>?d^e`f'<g>", False, "h", 80, "/a%5Eb%60%3Cc%3E?d^e`f%27%3Cg%3E"),
        ("ws://h\\a\\b?c\\d", False, "h", 80, "/a/b?c\\d"),
        ("ws://h:00000080/", False, "h", 80, "/"),
        ("wss://a.test.:444/", True, "a.test.", 444, "/"),
        ("localhost.:80", False, "localhost.", 80, "/"),
        ("ws://a%2Etest/", False, "a.test", 80, "/"),
    ],
)
def test_what_a_url_means(text: str, secure: bool, host: str, port: int, path: str) -> None:
    target = Target.parse(text)
    assert (target.secure, target.host, target.port, target.path_and_query) == (
        secure,
        host,
        port,
        path,
    )


@pytest.mark.parametrize(
    ("text", "userinfo", "host"),
    [
        ("ws://me@h/", "me", "h"),
        ("ws://me:p%40ss@h:1/", "me:p@ss", "h"),
        ("ws://a@b@h/", "a@b", "h"),
        ("ws://h/@x", None, "h"),
    ],
)
def test_userinfo(text: str, userinfo: str | None, host: str) -> None:
    target = Target.parse(text)
    assert (target.userinfo, target.host) == (userinfo, host)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 0, "empty"),
        ("ws://h/#top", 7, "fragment"),
        ("ws://h/a b", 8, "a space"),
        ("ws://h/\x1b[2J", 7, "'\\x1b'"),
        ("ftp://h/", 0, "ftp"),
        ("ws://", 5, "host is missing"),
        ("ws://:80/", 5, "host is missing"),
        ("ws://h:0/", 7, "not a valid port"),
        ("ws://h:65536/", 7, "not a valid port"),
        ("ws://h:80x/", 7, "not a valid port"),
        ("ws://h:99999999999999/", 7, "not a valid port"),
        ("ws://::1/", 5, "brackets"),
        ("ws://[::1/", 5, "not closed"),
        ("ws://[::g]/", 6, "IPv6"),
        ("ws://[::1]x/", 10, "must follow"),
        ("ws://[fe80::1%]/", 14, "zone"),
        ("ws://a..ü/", 5, "not a valid host name"),
        ("ws://a\u200d\u00fc.test/", 5, "xn-- form"),
        ("ws://" + "ß" * 70 + "/", 5, "too long"),
        ("ws:/h/", 4, "two slashes follow ws:"),
        ("wss//h/", 3, "a colon and two slashes follow wss"),
        ("wss;//h/", 3, "a colon and two slashes follow wss"),
        ("wss:h/", 4, "two slashes follow wss:"),
        ("wss:127.0.0.1:8443/ws", 4, "two slashes follow wss:"),
        ("ws://wss://h/", 5, "the scheme is given twice"),
        ("wss://https//h/", 6, "the scheme is given twice"),
        ('"wss://h/"', 0, "quotes around"),
        ("\u201cwss://h/\u201d", 0, "quotes around"),
        ("<wss://h/>", 0, "quotes around"),
        ("ws://h:80:90/", 9, "two ports"),
        ("ws://h:80:/", 9, "two ports"),
        ("ws://h:00008065536/", 7, "not a valid port"),
        ("ws://h:000/", 7, "not a valid port"),
        ("ws://h:٨٠/", 7, "not a valid port"),
        ("ws://h:" + "9" * 5000 + "/", 7, "not a valid port"),
        ("ws://a.test%0d%0aX:1/", 11, "cannot have"),
        ("ws://a%2Fb/", 6, "cannot have '/'"),
        ("ws://a%40b/", 6, "cannot have '@'"),
        ("ws://a%25b/", 6, "cannot have '%'"),
        ("ws://a%b/", 6, "cannot have '%'"),
        ("ws://a\uff0fb/", 5, "cannot have '/'"),
        ("ws://h{x}/", 6, "cannot have '{'"),
        ("ws://[fe80::1%25a%0ab]/", 13, "zone"),
        ("unix:/run/app.sock", 0, "--unix-socket /run/app.sock ws://localhost/"),
        ("unix:///run/app.sock", 0, "--unix-socket /run/app.sock ws://localhost/"),
    ],
)
def test_what_a_url_must_not_have_is_marked(text: str, position: int, words: str) -> None:
    with pytest.raises(UrlError, match=None) as caught:
        Target.parse(text)
    assert words in caught.value.message
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("ws://h/", "h"),
        ("ws://h:80/", "h"),
        ("ws://h:443/", "h:443"),
        ("wss://h:443/", "h"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[fe80::1%25eth0]:9/", "[fe80::1]:9"),
        ("ws://a.test./", "a.test."),
    ],
)
def test_host_header(text: str, header: str) -> None:
    assert Target.parse(text).host_header == header


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("wss://a.test./", "a.test"),
        ("wss://a.test/", "a.test"),
        ("wss://[fe80::1%25e]/", "fe80::1"),
    ],
)
def test_the_name_for_tls_has_neither_zone_nor_final_dot(text: str, name: str) -> None:
    assert Target.parse(text).tls_name == name
