"""/probe, as the blackbox exporter's clients ask for it, and what it must not be used for."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.integration.exporter.exporting import Exporting, Metrics, endpoint, start, write
from tests.peers.peers import Peers

CONFIG = """
[exporter]
allow = ["ws://127.0.0.1:*/echo*", "ws://127.0.0.1:*/hang*", "ws://127.0.0.1:*/status/*",
         "ws://127.0.0.1:*/redirect*", "ws://127.0.0.1:*/latency/*"]
[module.quick]
max-p95 = "20ms"
[module.refused]
expect-status = "403"
[module.talks]
send = "hello"
expect = "^hello$"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, session_peers: Peers) -> tuple[Exporting, str]:
    """An exporter without targets, and an endpoint to probe."""
    url, _ = session_peers.serve()
    config = write(tmp_path_factory.mktemp("probe") / "t.toml", CONFIG)
    return start(session_peers, config), url


def probe(exporting: Exporting, target: str, module: str = "", **headers: str) -> Metrics:
    named = f"&module={module}" if module else ""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = exporting.get(f"/probe?target={quote(target, safe='')}{named}", sent)
    assert answer.status == 200, answer.text
    return Metrics(answer.text)


def test_what_a_probe_tells(served: tuple[Exporting, str]) -> None:
    exporting, url = served
    seen = probe(exporting, f"{url}/echo", "talks")
    assert seen.one("probe_success") == 1
    assert 0 < seen.one("probe_duration_seconds") < 20
    assert seen.one("probe_connect_phase_seconds", phase="upgrade") > 0
    assert seen.one("probe_http_status_code") == 101
    assert seen.one("probe_check_passed", check="ping") == 1


@pytest.mark.parametrize(
    ("path", "module", "success"),
    [
        ("/echo", "", 1),
        ("/latency/60", "quick", 0),
        ("/latency/60", "", 1),
        ("/status/403", "", 0),
        ("/status/403", "refused", 1),
    ],
)
def test_a_module_says_what_is_success(
    served: tuple[Exporting, str], path: str, module: str, success: int
) -> None:
    exporting, url = served
    assert probe(exporting, url + path, module).one("probe_success") == success


def test_the_scrapes_timeout_bounds_it(served: tuple[Exporting, str]) -> None:
    exporting, url = served
    began = time.monotonic()
    seen = probe(exporting, f"{url}/hang", X_Prometheus_Scrape_Timeout_Seconds="1.5")
    assert time.monotonic() - began < 5
    assert seen.one("probe_success") == 0
    assert seen.one("probe_timed_out") == 1
    assert 0.5 < seen.one("probe_duration_seconds") < 4


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "target=URL"),
        ("?target=", 400, "one URL"),
        ("?target", 400, "query"),
        ("?target=a&target=b", 400, "one URL"),
        ("?target=ws://[", 400, "bracket"),
        ("?target=ws://127.0.0.1:1/echo&module=none", 400, "[module.none]"),
        ("?target=ws://127.0.0.1:1/elsewhere", 403, "allow"),
        ("?target=ws://127.0.0.1:1/echo/../elsewhere", 403, "allow"),
        ("?target=ws://127.0.0.1:1/echo/%252e%252e/elsewhere", 403, "allow"),
        ("?target=ws://127.0.0.1.evil.test/echo", 403, "allow"),
        ("?target=ws://x@127.0.0.1:1/echo", 403, "allow"),
        ("?target=wss://127.0.0.1:1/echo", 403, "allow"),
        ("?target=ws://localhost:1/echo", 403, "allow"),
        ("?target=http://169.254.169.254/latest/meta-data", 403, "allow"),
    ],
)
def test_what_is_not_probed(
    served: tuple[Exporting, str], query: str, status: int, words: str
) -> None:
    answer = served[0].get(f"/probe{query}")
    assert (answer.status, words in answer.text) == (status, True), answer.text


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "inf", "nan", ""])
def test_a_timeout_that_is_none(served: tuple[Exporting, str], seconds: str) -> None:
    exporting, url = served
    header = {"X-Prometheus-Scrape-Timeout-Seconds": seconds}
    answer = exporting.get(f"/probe?target={url}/echo", header)
    assert answer.status == 400


def test_a_redirect_leads_nowhere(served: tuple[Exporting, str]) -> None:
    exporting, url = served
    seen = probe(exporting, f"{url}/redirect?to={quote(url, safe='')}/secret")
    assert seen.one("probe_success") == 0


def test_without_allow_nothing_is_probed(tmp_path: Path, peers: Peers) -> None:
    exporting = start(peers, write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/")))
    answer = exporting.get("/probe?target=ws://127.0.0.1:1/")
    assert (answer.status, "[exporter]" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ('[exporter]\nallow = ["ftp://x"]', "ftp"),
        ('[exporter]\nbuckets = ["1s", "0.5s"]', "ascending"),
        ('[exporter]\nalow = ["a"]', "did you mean 'allow'"),
        ('[exporter]\nidle-probe = "0s"', "idle-probe"),
        ('[exporter]\ninterval = "1us"', "1ms is the shortest interval"),
        ('[defaults]\ninterval = "0.9ms"', "1ms is the shortest interval"),
        ("[module.a]\nlocation = true", "'location' has no meaning in a module"),
        ('[module.a]\nurl = "ws://x"', "'url' has no meaning in a module"),
        ('[module.a]\nmax-p95 = "soon"', "soon"),
        ("[module]\na = 1", "write [module.NAME]"),
    ],
)
def test_mistakes_in_its_tables(tmp_path: Path, peers: Peers, table: str, line: str) -> None:
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"), table)
    run = peers.wsdiag("exporter", "-f", str(path), "--listen", "127.0.0.1:0", ok=2)
    assert line in run.err


def test_every_mistake_is_told_with_its_line(tmp_path: Path, peers: Peers) -> None:
    path = tmp_path / "t.toml"
    path.write_text(
        '[exporter]\nallow = ["wss://*", "http:", "[::1"]\nbuckets = ["1s", "1ms"]\n'
        'interval = "soon"\n[[endpoint]]\nurl = "ws://127.0.0.1:1/"\ntimeout = "late"\n'
    )
    run = peers.wsdiag("exporter", "-f", str(path), "--listen", "127.0.0.1:0", ok=2)
    where = [line.removeprefix(f"error: {path}:").split(":")[0] for line in run.err.splitlines()]
    assert where == ["2", "3", "4", "7"]
    assert "'http:', '[::1'" in run.err
