"""What `connect` says of HTTP/2, in one sentence."""

from __future__ import annotations

import pytest

from wsdiag.records import ConnectResult, Error, Http2Info
from wsdiag.render.connect.view import http2_text

BROWSER = "a browser that already has an HTTP/2 connection to this host uses it for WebSockets"
FAILED = Error("wss://a.test/", "upgrade", "upgrade", "refused")


@pytest.mark.parametrize(
    ("look", "ok", "said"),
    [
        (Http2Info("h2", True, True, 200, 1.5), True, f"{BROWSER}, and that works (Ping 1.50 ms)"),
        (
            Http2Info("h2", True, True, 200, 1.5),
            False,
            f"{BROWSER}, and that works (Ping 1.50 ms), while HTTP/1.1 fails",
        ),
        (
            Http2Info("h2", True, False, 400, None, "400"),
            True,
            f"{BROWSER}, and that fails: 400, while HTTP/1.1 works",
        ),
        (
            Http2Info("h2", True, False, 400, None, "400"),
            False,
            f"{BROWSER}, and that fails as well: 400",
        ),
        (Http2Info("h2", None, None, None, None, "no HTTP/2"), False, "fails as well: no HTTP/2"),
        (
            Http2Info("h2", None, None, None, None, "no HTTP/2"),
            True,
            "fails: no HTTP/2, while HTTP/1.1 works",
        ),
        (
            Http2Info("http/1.1"),
            True,
            "not offered (ALPN chose http/1.1): browsers use HTTP/1.1 here",
        ),
        (Http2Info(None), True, "not offered (ALPN chose nothing): browsers use HTTP/1.1 here"),
        (
            Http2Info("h2", False),
            True,
            "offered, but not for WebSockets: browsers use HTTP/1.1 for them",
        ),
        (Http2Info("h2"), True, "offered by ALPN (more by: pip install 'wsdiag[http2]')"),
        (Http2Info(error="TLS failed"), True, "not known: TLS failed"),
        (
            Http2Info("h2", True, error="not finished within 2 s"),
            True,
            "not known: not finished within 2 s",
        ),
        (Http2Info("h2", True, True, 200), True, f"{BROWSER}, and that works (no time for a Ping)"),
    ],
)
def test_the_sentence(look: Http2Info, ok: bool, said: str) -> None:
    result = ConnectResult("wss://a.test/", ok, error=None if ok else FAILED, http2=look)
    assert http2_text(result).plain == said
