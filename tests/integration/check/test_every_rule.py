"""Every rule of the registry, passing against a server that keeps it, failing against one that
does not. A rule without both cases fails here: it would be a rule that nobody has seen work."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.peers.certs import Authority
from tests.peers.peers import Peers
from wsdiag.probes.check.registry import ALL
from wsdiag.probes.check.rules.adversarial import ATTACKS

RULES = {rule.id: rule for rule in ALL}
# Only its owner knows what is right: this rule tells what it saw, and never that it is wrong.
OVER_HTTP2 = {"h2-advertised", "h2-opens", "h2-no-key-needed", "h1-and-h2-agree"}
NEVER_WRONG = {rule.id for rule in ALL if rule.worst == "pass"}


@dataclass(frozen=True)
class Servers:
    """What a case can start or use: peers of its own, and the module's `wsdiag serve`."""

    peers: Peers
    ca: Authority
    serve: str


Where = Callable[[Servers], tuple[str, list[str]]]


def served(path: str) -> Where:
    return lambda servers: (servers.serve + path, [])


def lenient(behaviour: str) -> Where:
    return lambda servers: (servers.peers.lenient(behaviour).url, [])


def over_tls(servers: Servers) -> tuple[str, list[str]]:
    return servers.peers.websockets(tls=True).url, ["--cacert", str(servers.ca.pem)]


def over_http2(*faults: str) -> Where:
    """`serve --http2` with TLS."""

    def start(servers: Servers) -> tuple[str, list[str]]:
        cert = servers.ca.cert()
        options = ["--http2", "--cert", str(cert.cert), "--key", str(cert.key)]
        url, _ = servers.peers.serve(*options, *(f"--fault={fault}" for fault in faults))
        return url, ["--cacert", str(servers.ca.pem), "--expect-http2"]

    return start


def two_families(servers: Servers) -> tuple[str, list[str]]:
    """A name with an A record that works and an AAAA record where nobody listens."""
    require_ipv6()
    url, named = one_family(servers)
    port = url.rpartition(":")[2]
    return url, [*named, "--resolve", f"name.example:{port}:::1"]


def one_family(servers: Servers) -> tuple[str, list[str]]:
    port = servers.serve.rpartition(":")[2]
    return f"ws://name.example:{port}", ["--resolve", f"name.example:{port}:127.0.0.1"]


def require_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6: nothing can be said of an endpoint's")


@dataclass(frozen=True)
class Case:
    """A server, options, and the rules whose verdict there is known."""

    where: Where
    options: tuple[str, ...]
    rules: tuple[str, ...]


def case(where: Where, *options: str, rules: str) -> Case:
    return Case(where, options, tuple(rules.split()))


KEPT = [
    case(
        served("/echo"),
        "--expect-status",
        "101",
        "--expect-header",
        "Upgrade: (?i)^websocket$",
        "--expect-extension",
        "permessage-deflate",
        "--send",
        "hi",
        "--expect",
        "^hi$",
        "--require-idle",
        "1",
        "--require-keepalive",
        "0.3",
        "--max-connect",
        "60s",
        "--max-upgrade",
        "60s",
        rules=" ".join(
            RULES.keys() - {"certificate", "address-families", "subprotocol", "stream"} - OVER_HTTP2
        ),
    ),
    case(over_http2(), rules=" ".join(OVER_HTTP2)),
    case(served("/subprotocol?pick=chat"), "--expect-subprotocol", "chat", rules="subprotocol"),
    case(over_tls, "--cert-days", "0", rules="certificate"),
    case(served("/push/0.1"), "--stream", "1", "--max-silence", "60", rules="stream"),
    case(one_family, rules="address-families"),
]

BROKEN = [
    case(over_http2("http2/unadvertised"), rules="h2-advertised h2-opens h1-and-h2-agree"),
    case(over_http2("http2/refuse/400?key=accepted"), rules="h2-no-key-needed h2-opens"),
    case(served("/echo"), "--max-connect", "0.001ms", rules="connect"),
    case(served("/echo"), "--max-upgrade", "0.001ms", rules="upgrade"),
    case(served("/status/404"), "--expect-status", "403", rules="status"),
    case(over_tls, "--cert-days", "9999999", rules="certificate"),
    case(two_families, rules="address-families"),
    case(served("/echo"), "--expect-subprotocol", "chat", rules="subprotocol"),
    case(
        served("/echo"),
        "--expect-extension",
        "permessage-deflate",
        "--no-compression",
        rules="extension",
    ),
    case(served("/echo"), "--expect-header", "X-Absent: .", rules="header"),
    case(served("/sink"), "--send", "hi", "--within", "0.3", rules="message"),
    case(
        served("/no-pong"),
        rules="ping ping-burst ping-echo ping-empty ping-125 pong-unsolicited fragment-ping",
    ),
    case(served("/hang/close"), rules="close close-echo close-empty close-private"),
    case(served("/idle/0.5?drop=silent"), "--require-idle", "2", rules="idle"),
    case(served("/echo"), "--stream", "0.5", rules="stream"),
    case(
        served("/lifetime/1"),
        "--require-keepalive",
        "0.5",
        "--require-idle",
        "20",
        rules="keepalive",
    ),
    case(served("/bad/accept"), rules="accept-key"),
    case(served("/bad/upgrade"), rules="upgrade-headers"),
    case(served("/bad/frame/rsv2"), rules="frames"),
    case(lenient("strict"), rules="connection-tokens"),
    case(lenient("version"), rules="version"),
    case(lenient("key"), rules="key-missing key-invalid"),
    case(
        lenient("one-subprotocol"),
        "--subprotocol",
        "chat",
        rules="subprotocol-unasked subprotocol-unknown",
    ),
    case(lenient("unasked-extension"), rules="extension-unasked"),
    case(lenient("any-extension"), rules="extension-unknown"),
    case(lenient("bad-deflate"), "--no-compression", rules="deflate"),
    case(lenient("keep-tcp"), rules="close-tcp failure-ends-tcp"),
    case(lenient("accept"), rules=" ".join(attack.id for attack in ATTACKS)),
    case(lenient("deflate"), rules="deflate-garbage deflate-rsv1-continuation"),
]


@pytest.fixture
def servers(peers: Peers, ca: Authority, serve: str) -> Servers:
    return Servers(peers, ca, serve)


def verdicts(servers: Servers, case: Case) -> dict[str, set[str]]:
    """Rule -> the statuses of its results."""
    url, more = case.where(servers)
    if any(RULES[id].group != "fitness" for id in case.rules):
        more = [*more, "--adversarial"]
    run = servers.peers.wsdiag(
        "check",
        "--timeout",
        "1.5",
        "-o",
        "json",
        "--only",
        ",".join(case.rules),
        *more,
        *case.options,
        url,
        timeout=100,
    )
    seen: dict[str, set[str]] = {}
    for result in run.of("check.result"):
        seen.setdefault(result["id"].partition(".")[0], set()).add(result["status"])
    return seen


def test_every_rule_has_a_passing_and_a_failing_case() -> None:
    kept = {id for case in KEPT for id in case.rules}
    broken = {id for case in BROKEN for id in case.rules}
    assert kept == RULES.keys()
    assert broken == RULES.keys() - NEVER_WRONG
    assert {"origin"} == NEVER_WRONG


def named(case: Case) -> str:
    first = min(case.rules)  # a set's order differs from worker to worker
    return f"{first} and {len(case.rules) - 1}" if len(case.rules) > 1 else first


@pytest.mark.minutes
@pytest.mark.parametrize("case", KEPT, ids=named)
def test_kept(servers: Servers, case: Case) -> None:
    assert verdicts(servers, case) == {id: {"pass"} for id in case.rules}


@pytest.mark.minutes
@pytest.mark.parametrize("case", BROKEN, ids=named)
def test_broken(servers: Servers, case: Case) -> None:
    assert verdicts(servers, case) == {id: {RULES[id].worst} for id in case.rules}


def test_a_server_that_bans_after_an_odd_request_is_not_judged_by_its_bans(peers: Peers) -> None:
    run = peers.wsdiag(
        "check",
        "--conformance",
        "--only",
        "version,origin",
        "--timeout",
        "1.5",
        "-o",
        "json",
        peers.lenient("ban").url,
    )
    results = {r["id"]: r for r in run.of("check.result")}
    assert results["version"]["unmeasured"] is True
    assert "so is an ordinary request" in results["version"]["detail"]
    assert run.code == 1


def test_refusing_an_unknown_extension_is_odd_but_not_forbidden(peers: Peers) -> None:
    run = peers.wsdiag(
        "check",
        "--conformance",
        "--only",
        "extension-unknown",
        "-o",
        "json",
        peers.lenient("strict").url,
    )
    assert [r["status"] for r in run.of("check.result")] == ["warn"]
    assert run.code == 0
