"""What `connect` says of one URL, on the screen."""

from __future__ import annotations

import io

import pytest

from wsdiag.records import ConnectResult, Error
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.view import print_connect

URL = "ws://a.test/"


@pytest.mark.parametrize(
    ("phase", "headed"),
    [("proxy", "the proxy cannot be used"), ("tls", "an option cannot be used")],
)
def test_the_environment_is_no_option(phase: str, headed: str) -> None:
    """The proxy may be a variable's, which the message names."""
    error = Error(URL, phase, "usage", "HTTP_PROXY is not a proxy's URL", None)  # type: ignore[arg-type]
    out = io.StringIO()
    terminal = Terminal(stdout=out, stderr=out, width=80, environ={})
    print_connect(terminal, ConnectResult(URL, ok=False, error=error))
    first, second, *_ = out.getvalue().splitlines()
    assert headed in first
    assert "HTTP_PROXY" in second
