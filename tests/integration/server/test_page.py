"""The page at `/` in a real browser: it echoes, and shows how connections end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.browser import Browser
from tests.integration.server.serving import serving
from tests.peers.tools import require_tool
from wsdiag.server.background import BackgroundServer
from wsdiag.server.faults import FAULTS

pytestmark = [pytest.mark.chromium, pytest.mark.slow]


@pytest.fixture(scope="module")
def server() -> Iterator[BackgroundServer]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory, server: BackgroundServer
) -> Iterator[Browser]:
    tab = Browser(require_tool("chromium"), tmp_path_factory.mktemp("chromium"))
    try:
        tab.call("Page.navigate", url=server.url.replace("ws", "http", 1) + "/")
        tab.wait("document.querySelectorAll('.path').length")
        yield tab
    finally:
        tab.close()


def connect(browser: Browser, path: str) -> None:
    browser.run(f"connect({path!r})")


def test_it_lists_every_path_and_asks_nobody_else(
    browser: Browser, server: BackgroundServer
) -> None:
    assert browser.run("document.querySelectorAll('.path').length") == len(FAULTS)
    base = server.url.replace("ws", "http", 1)
    assert [url for url in browser.requests if not url.startswith((base, "data:", "about:"))] == []


def test_the_echo_is_timed_and_drawn(browser: Browser) -> None:
    browser.run("document.querySelector('.path button').click()")
    browser.wait("Number(document.getElementById('echoed').textContent) >= 3")
    assert browser.run("document.getElementById('last').textContent").endswith(" ms")
    assert "open: /echo" in browser.run("document.getElementById('state').textContent")
    browser.run("document.getElementById('text').value = 'hello there'; byId('send').click()")
    browser.wait("document.getElementById('log').textContent.includes('← hello there')")


def test_a_drop_shows_1006(browser: Browser) -> None:
    connect(browser, "/idle/1")
    text = "document.getElementById('state').textContent"
    browser.wait(f"{text}.startsWith('closed')")
    assert "not clean, code 1006" in browser.run(text)


def test_a_close_shows_its_code_and_reason(browser: Browser) -> None:
    connect(browser, "/close/4000?reason=so%20long")
    text = "document.getElementById('state').textContent"
    browser.wait(f"{text}.startsWith('closed')")
    assert "code 4000, “so long”" in browser.run(text)
    assert "not clean" not in browser.run(text)


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_phone_and_desk_in_light_and_dark(
    browser: Browser, tmp_path: Path, width: int, dark: bool
) -> None:
    browser.look(width=width, height=800, dark=dark)
    connect(browser, "/latency/30?jitter=8")
    browser.wait("Number(document.getElementById('echoed').textContent) >= 4")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    back = browser.run("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(20, 23, 26)" if dark else "rgb(251, 251, 250)")
    picture = browser.picture()
    assert picture.startswith(b"\x89PNG")
    (tmp_path / "page.png").write_bytes(picture)
