"""Whole runs as a pipeline sees them: files, retries, reports, signals, secrets."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from lxml import etree

from tests.integration.check.conftest import write
from tests.integration.waiting import wait_for
from tests.peers.certs import Authority
from tests.peers.peers import Peers
from tests.peers.ports import free_port

XSD = Path(__file__).parents[2] / "unit" / "render" / "check" / "junit.xsd"


def test_fifty_endpoints_in_one_run(peers: Peers, serve: str, tmp_path: Path) -> None:
    paths = ["/echo", "/latency/20", "/push/0.2", "/headers", "/status/403"] * 10
    tables = [
        f'[[endpoint]]\nname = "e{n}"\nurl = "{serve}{path}"\n'
        + ("expect-status = 403\n" if "403" in path else "")
        for n, path in enumerate(paths)
    ]
    file = write(tmp_path, '[defaults]\nmax-p95 = "10s"\n' + "".join(tables))
    report = tmp_path / "report.xml"
    run = peers.wsdiag(
        "check", "-f", file, "-o", "json", "--jobs", "10", "--junit", str(report), timeout=100
    )
    assert run.code == 0, run.out + run.err
    order = list(dict.fromkeys(r["endpoint"] for r in run.of("check.result")))
    assert order == [f"e{n}" for n in range(50)]
    document = etree.parse(str(report))
    etree.XMLSchema(etree.parse(str(XSD))).assertValid(document)
    assert len(document.getroot()) == 50


def test_one_bad_endpoint_among_good_ones_decides(peers: Peers, serve: str, tmp_path: Path) -> None:
    good = f'[[endpoint]]\nname = "good"\nurl = "{serve}/echo"\n'
    bad = f'[[endpoint]]\nname = "bad"\nurl = "{serve}/echo"\nmax-p95 = "0.001ms"\n'
    gone = f'[[endpoint]]\nname = "gone"\nurl = "ws://127.0.0.1:{free_port()}"\n'
    assert peers.wsdiag("check", "-f", write(tmp_path, good)).code == 0
    assert peers.wsdiag("check", "-f", write(tmp_path, good + bad)).code == 3
    assert peers.wsdiag("check", "-f", write(tmp_path, bad + gone + good)).code == 1


def test_text_names_the_endpoint_and_puts_failures_last(
    peers: Peers, serve: str, tmp_path: Path
) -> None:
    bad = f'[[endpoint]]\nname = "bad"\nurl = "{serve}/no-pong"\ntimeout = 1.5\n'
    good = f'[[endpoint]]\nname = "good"\nurl = "{serve}/echo"\n'
    out = peers.wsdiag("check", "-f", write(tmp_path, bad + good)).out
    assert out.index("good (ws://") < out.index("bad (ws://") < out.index("0 of 2 Pings")
    assert out.rstrip().splitlines()[-1].count("1 check failed") == 1


def test_a_file_with_mistakes_is_not_run(peers: Peers, tmp_path: Path) -> None:
    run = peers.wsdiag("check", "-f", write(tmp_path, '[[endpoint]]\nurl = "ws://a"\nnope = 1\n'))
    assert run.code == 2
    assert "wsdiag.toml:3: unknown 'nope'" in run.err
    assert run.out == ""


def test_url_and_file_exclude_each_other(peers: Peers, serve: str, tmp_path: Path) -> None:
    file = write(tmp_path, f'[[endpoint]]\nurl = "{serve}"\n')
    assert peers.wsdiag("check", "-f", file, serve).code == 2
    assert peers.wsdiag("check", "-q").code == 2
    run = peers.wsdiag("check", "-f", file, "--max-p95", "1s")
    assert run.code == 2
    assert "--max-p95" in run.err


def test_the_command_line_narrows_a_file(peers: Peers, serve: str, tmp_path: Path) -> None:
    file = write(tmp_path, f'[[endpoint]]\nurl = "{serve}/no-pong"\n')
    run = peers.wsdiag("check", "-f", file, "--skip", "ping", "-o", "json")
    assert run.code == 0
    assert "ping" not in {r["id"] for r in run.of("check.result")}


def test_it_retries_while_a_deploy_warms_up_and_says_so(peers: Peers) -> None:
    port = free_port()
    running = peers.start_wsdiag(
        "check", f"ws://127.0.0.1:{port}", "--retry", "400", "--retry-delay", "100ms", "-o", "json"
    )
    wait_for(lambda: "attempt 2 of 401 in 0.1 s" in running.err)
    peers.start_wsdiag("serve", "--port", str(port))
    run = running.wait(60)
    assert run.code == 0, run.out + run.err
    assert "attempts" in run.of("check.result")[0]["detail"]


def test_it_does_not_retry_what_will_not_change(peers: Peers, ca: Authority) -> None:
    url = peers.websockets(tls=True).url
    run = peers.wsdiag("check", url, "--retry", "5", "--retry-delay", "60s", "-o", "json")
    assert {r["id"]: r["status"] for r in run.of("check.result")}["certificate"] == "fail"
    assert run.code == 3
    assert "attempt" not in run.err


def test_an_endpoint_that_never_comes_is_code_1(peers: Peers) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    run = peers.wsdiag("check", url, "--retry", "2", "--retry-delay", "50ms", "-o", "json")
    assert run.code == 1
    assert run.record("error")["kind"] == "refused"
    assert "after 3 attempts" in run.of("check.result")[0]["detail"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_it_prints_what_was_judged(peers: Peers, serve: str, sign: int) -> None:
    running = peers.start_wsdiag("check", f"{serve}/echo", "--require-idle", "600", "-o", "json")
    wait_for(lambda: "waiting for idle" in running.err)
    running.signal(sign)
    run = running.wait(20)
    status = {r["id"]: r for r in run.of("check.result")}
    assert status["ping"]["status"] == "pass"
    assert status["idle"]["unmeasured"] is True
    assert run.code == 1  # what was asked for was not measured


def test_interrupted_before_anything_is_130(peers: Peers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        running = peers.start_wsdiag("check", url, "--connect-timeout", "600s", "-o", "json")
        connection, _ = silent.accept()
        with connection:
            running.signal(signal.SIGINT)
            assert running.wait(20).code == 130


def test_github_annotations_and_step_summary(peers: Peers, serve: str, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    run = peers.wsdiag(
        "check",
        f"{serve}/no-pong",
        "--timeout",
        "0.5",
        "-o",
        "github",
        env={"GITHUB_STEP_SUMMARY": str(summary)},
    )
    assert run.code == 3
    assert run.out.startswith("::error title=ping")
    text = summary.read_text()
    assert text.startswith("before\n### wsdiag check")
    assert "❌ fail" in text


def test_junit_on_stdout_is_one_document(peers: Peers, serve: str) -> None:
    run = peers.wsdiag("check", f"{serve}/no-pong", "--timeout", "1.5", "-o", "junit")
    document = etree.fromstring(run.out.encode())
    etree.XMLSchema(etree.parse(str(XSD))).assertValid(document)
    assert [suite.get("failures") for suite in document] == ["1"]


@pytest.mark.parametrize("format", ["text", "json", "junit", "github"])
def test_no_output_shows_a_secret(peers: Peers, tmp_path: Path, format: str) -> None:
    file = write(
        tmp_path,
        f'[[endpoint]]\nurl = "{peers.websockets().url}/?token=${{API_TOKEN}}"\n'
        'header = ["Authorization: Bearer ${API_TOKEN}"]\nuser-agent = "${API_TOKEN}"\n'
        'send = "${API_TOKEN}"\nexpect = "never"\nwithin = 0.3\n',
    )
    run = peers.wsdiag(
        "check",
        "-f",
        file,
        "-v",
        "-o",
        format,
        "--trace",
        str(tmp_path / "t"),
        env={"API_TOKEN": "hunter22"},
    )
    assert run.code == 3
    assert "***" in run.out
    assert "hunter22" not in run.out + run.err + (tmp_path / "t").read_text()


def test_the_list_of_checks_names_every_rule(peers: Peers) -> None:
    run = peers.wsdiag("check", "--list-checks", ok=0)
    assert len(run.out.splitlines()) > 60
    assert "RFC 6455, 5.5.2" in run.out


def test_certificate_that_ends_soon(peers: Peers, ca: Authority) -> None:
    url = peers.websockets(tls=True).url
    args = ["check", url, "--cacert", str(ca.pem), "-o", "json", "--only", "certificate"]
    assert peers.wsdiag(*args, "--cert-days", "0").code == 0
    assert peers.wsdiag(*args, "--cert-days", "9999999").code == 3


def dual(port: str) -> list[str]:
    return ["--resolve", f"dual.example:{port}:127.0.0.1", "--resolve", f"dual.example:{port}:::1"]


def has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_a_family_that_leads_nowhere_fails(peers: Peers, serve: str) -> None:
    port = serve.rpartition(":")[2]
    run = peers.wsdiag(
        "check",
        f"ws://dual.example:{port}",
        *dual(port),
        "--only",
        "address-families",
        "-o",
        "json",
    )
    (result,) = run.of("check.result")
    assert "IPv4 127.0.0.1" in result["detail"]
    # without IPv6 on this machine nothing is known of the endpoint's
    assert result["status"] == ("fail" if has_ipv6_loopback() else "warn")
    assert run.code == (3 if has_ipv6_loopback() else 0)


def test_one_dead_address_of_three_is_a_warning(peers: Peers, serve: str) -> None:
    port = serve.rpartition(":")[2]
    addresses = [f"many.example:{port}:127.0.0.{n}" for n in (1, 7, 8)]
    named = [part for each in addresses for part in ("--resolve", each)]
    url = f"ws://many.example:{port}"
    run = peers.wsdiag("check", url, *named, "--only", "address-families", "-o", "json")
    (result,) = run.of("check.result")
    assert result["status"] == "warn"
    assert "2 of its 3 addresses cannot be reached" in result["detail"]
    assert f"127.0.0.8:{port}: Connection refused" in result["detail"]
    assert run.code == 0
    run = peers.wsdiag("check", url, *named[:2], "--only", "address-families", "-o", "json")
    assert run.of("check.result")[0]["status"] == "pass"


def test_one_family_is_enough_when_the_name_has_no_other(peers: Peers, serve: str) -> None:
    port = serve.rpartition(":")[2]
    run = peers.wsdiag(
        "check",
        f"ws://dual.example:{port}",
        "--resolve",
        f"dual.example:{port}:127.0.0.1",
        "--only",
        "address-families",
        "-o",
        "json",
    )
    (result,) = run.of("check.result")
    assert (result["status"], run.code) == ("pass", 0)
    assert "no IPv6 address" in result["detail"]
