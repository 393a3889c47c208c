"""Browsers on a page of `serve --http2`, which came over HTTP/2: their WebSockets take it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.http2.firefox import Firefox
from tests.integration.server.browser import Browser
from tests.peers.certs import Authority
from tests.peers.peers import Peers
from tests.peers.tools import require_tool

pytestmark = [pytest.mark.slow]

FIRST_WORDS = """new Promise(done => {
  const ws = new WebSocket(%s);
  ws.onmessage = event => { done(event.data); ws.close(); };
  ws.onclose = event => done('closed ' + event.code);
})"""
Visit = Callable[[str, str], str]


def in_chromium(folder: Path) -> tuple[Visit, Callable[[], None]]:
    tab = Browser(require_tool("chromium"), folder / "chromium", "--ignore-certificate-errors")

    def visit(page: str, script: str) -> str:
        tab.call("Page.navigate", url=page)
        tab.wait(f"location.href === {json.dumps(page)} && document.readyState === 'complete'")
        found = tab.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return str(found["result"].get("value"))

    return visit, tab.close


def in_firefox(folder: Path) -> tuple[Visit, Callable[[], None]]:
    tab = Firefox(require_tool("firefox-esr"), folder / "firefox")

    def visit(page: str, script: str) -> str:
        tab.navigate(page)
        return str(tab.awaited(script))

    return visit, tab.close


BROWSERS = [
    pytest.param(in_chromium, id="chromium", marks=pytest.mark.chromium),
    pytest.param(in_firefox, id="firefox", marks=pytest.mark.firefox),
]


@pytest.fixture
def visit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Visit]:
    visiting, close = request.param(tmp_path)
    yield visiting
    close()


@pytest.mark.parametrize("visit", BROWSERS, indirect=True)
def test_they_open_over_http2_and_do_not_fall_back(
    visit: Visit, peers: Peers, ca: Authority
) -> None:
    cert = ca.cert()
    url, _ = peers.serve("--http2", "--cert", str(cert.cert), "--key", str(cert.key))
    url = url.replace("127.0.0.1", "localhost")
    page = url.replace("wss", "https", 1) + "/"

    def said(path: str) -> str:
        return visit(page, FIRST_WORDS % json.dumps(url + path))

    names = {name.lower() for name, _ in json.loads(said("/headers"))["headers"]}
    assert "origin" in names
    assert not names & {"sec-websocket-key", "upgrade", "connection"}
    assert said("/http2/refuse/400") == "closed 1006"
