"""Fixtures for all tests: a certificate authority, and real peers that end with the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.peers.certs import Authority
from tests.peers.peers import Peers
from tests.peers.records import every_record_judged
from tests.stalls import Stalls

# A property holds or it does not; how long a busy machine takes over an example says nothing.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

# A machine that cannot have a tool says so here: "marker: reason; marker: reason". Those tests are
# deselected, and the report's header says why. An absent tool not named here fails under CI.
WITHOUT = "WSDIAG_TESTS_WITHOUT"


def _without() -> dict[str, str]:
    entries = (entry.partition(":") for entry in os.environ.get(WITHOUT, "").split(";"))
    return {marker.strip(): reason.strip() for marker, _, reason in entries if marker.strip()}


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Stalls(Path(__file__).parent / "integration"), "stalls")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"DESELECTED: every test marked {m!r}: {why}" for m, why in _without().items()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    gone = [item for item in items if any(item.get_closest_marker(m) for m in _without())]
    if gone:
        config.hook.pytest_deselected(items=gone)
        items[:] = [item for item in items if item not in gone]
    items.sort(key=lambda item: item.get_closest_marker("minutes") is None)


@pytest.fixture(autouse=True)
def records_by_the_schema(request: pytest.FixtureRequest) -> Iterator[None]:
    """Records that a test makes are valid, unless it is marked `odd_records`: it makes bad ones."""
    if request.node.get_closest_marker("odd_records"):
        yield
    else:
        with every_record_judged():
            yield


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A throw-away CA; TLS peers present certificates signed by it (`--cacert ca.pem`)."""
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def session_peers(tmp_path_factory: pytest.TempPathFactory, ca: Authority) -> Iterator[Peers]:
    """Peers that live as long as the test run."""
    peers = Peers(tmp_path_factory.mktemp("peers"), ca)
    try:
        yield peers
    finally:
        peers.close()


@pytest.fixture
def peers(tmp_path: Path, ca: Authority) -> Iterator[Peers]:
    """Peers that end with the test."""
    place = tmp_path / "peers"
    place.mkdir()
    started = Peers(place, ca)
    try:
        yield started
    finally:
        started.close()
