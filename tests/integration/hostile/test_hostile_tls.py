"""TLS servers that break off right behind something: what they said first counts."""

from __future__ import annotations

import asyncio

import pytest

from tests.attack.tls import FEW, Harm, Lab, alert, connected
from wsdiag.records import ConnectResult

HARMS = {
    "plain text": FEW["plain text"],
    "an alert": alert(2, 40, plain=False),
    "an alert in plain": alert(2, 40, plain=True),
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("tls"))


def _connected(lab: Lab, point: str, harm: Harm, *, tls13: bool = True) -> ConnectResult:
    return asyncio.run(connected(lab, tls13, point, harm))


@pytest.mark.parametrize("when", ["refusal", "refusal at once"])
@pytest.mark.parametrize("harm", HARMS)
def test_a_refusal_stands_whatever_comes_behind_it(lab: Lab, when: str, harm: str) -> None:
    result = _connected(lab, when, HARMS[harm])
    assert result.http is not None
    assert result.http.status == 403
    assert result.error is not None
    assert "403" in result.error.message


@pytest.mark.parametrize("harm", HARMS)
def test_a_close_frame_right_before_it_is_heard(lab: Lab, harm: str) -> None:
    result = _connected(lab, "message at once", HARMS[harm])
    assert result.error is not None
    assert "1001" in result.error.message


@pytest.mark.parametrize("tls13", [True, False])
@pytest.mark.parametrize("harm", HARMS)
def test_behind_the_last_message_of_the_handshake_it_is_an_error(
    lab: Lab, harm: str, tls13: bool
) -> None:
    result = _connected(lab, "handshake", HARMS[harm], tls13=tls13)
    assert result.tls is not None
    assert result.tls.version == ("TLSv1.3" if tls13 else "TLSv1.2")
    assert result.error is not None
    assert ("handshake failed" in result.error.message) == (harm == "an alert")


@pytest.mark.parametrize(("number", "said"), [(120, "no application protocol"), (99, "unknown")])
def test_an_alert_without_a_name_in_python_is_told_as_an_alert(
    lab: Lab, number: int, said: str
) -> None:
    result = _connected(lab, "request", alert(2, number, plain=False))
    assert result.error is not None
    assert "_ssl.c" not in result.error.message
    assert "is no TLS" not in result.error.message
    assert said in result.error.message or "HTTP/1.1 in TLS (ALPN)" in result.error.message


def test_an_open_connection_that_tls_ends_tells_how(lab: Lab) -> None:
    result = _connected(lab, "upgrade", HARMS["an alert"])
    assert result.error is not None
    assert "SSLV3_ALERT_HANDSHAKE_FAILURE" in result.error.message
