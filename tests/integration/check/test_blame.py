"""What failed is told once, where it belongs, and with its reason."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

import pytest

import wsdiag
from tests.integration.scripted import Script, ScriptedClient, ScriptedServer
from wsdiag.exit_codes import ExitCode
from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.probes.check.rules import survival
from wsdiag.probes.check.rules.families import family_opens
from wsdiag.probes.check.runner import EndpointReport, EndpointRun
from wsdiag.probes.check.summary import exit_code
from wsdiag.records import CheckResult
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received


def dial_options(**given: object) -> DialOptions:
    return DialOptions(proxy="", **given)  # type: ignore[arg-type]


async def checked(url: str, dial: DialOptions, **options: object) -> EndpointReport:
    check = CheckOptions(timeout_s=1.0, **options)  # type: ignore[arg-type]
    run = EndpointRun(Endpoint(url=url, dial=dial, check=check), lambda _progress: None, None)
    await run.run()
    return run.report()


def results(
    script: Script, dial: DialOptions, headers: Sequence[tuple[str, str]] = (), **options: object
) -> dict[str, CheckResult]:
    async def run() -> EndpointReport:
        server = ScriptedServer(script, headers=headers)
        await server.start()
        try:
            return await checked(server.url, dial, **options)
        finally:
            await server.stop()

    report = asyncio.run(asyncio.wait_for(run(), 30))
    return {result.id: result for result in report.results}


async def behave(client: ScriptedClient) -> None:
    async for frame in client.frames():
        if frame.opcode == 9:
            client.send(10, frame.payload)
        elif frame.opcode == 8:
            client.send(8, frame.payload)
            return


async def kick(client: ScriptedClient) -> None:
    pings = 0
    async for frame in client.frames():
        if frame.opcode == 9:
            pings += 1
            client.send(10, frame.payload)
        if pings == 2:
            client.send(8, (4409).to_bytes(2, "big") + b"Conflict")
            await asyncio.sleep(0.2)
            return


async def trickle(client: ScriptedClient) -> None:
    """A message that ends long after the run, a byte at a time: a Pong would come after it."""
    client.writer.write(b"\x82\x7e\xff\xff")
    while not client.writer.is_closing():
        client.writer.write(b"x")
        await asyncio.sleep(0.02)


def test_a_connection_that_is_receiving_is_neither_idle_nor_dead() -> None:
    idle = results(trickle, dial_options(), require_idle_s=0.3, only=("idle",))["idle"]
    assert idle.status == "warn", idle
    assert "not idle: parts of a message" in idle.detail
    kept = results(trickle, dial_options(), require_keepalive_s=0.2, only=("keepalive",))[
        "keepalive"
    ]
    assert kept.status == "warn", kept
    assert kept.detail.startswith("alive after ")
    assert "waited behind a message that was arriving" in kept.detail


def stopped_for(
    seconds: float, monkeypatch: pytest.MonkeyPatch, url: str, **options: object
) -> CheckResult:
    """The result of one rule, whose process does not run for so long once it waits for its time."""
    wait = survival.await_event

    async def late(*args: Any) -> Received | None:
        monkeypatch.setattr(survival, "await_event", wait)
        asyncio.get_running_loop().call_later(0.1, time.sleep, seconds)
        return await wait(*args)

    monkeypatch.setattr(survival, "await_event", late)
    (found,) = asyncio.run(checked(url, dial_options(), **options)).results
    return found


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/idle/1.5", {"require_idle_s": 0.5, "only": ("idle",)}),
        ("/idle/1.5?drop=silent", {"require_idle_s": 0.5, "only": ("idle",)}),
        ("/idle/1.5", {"require_keepalive_s": 0.4, "only": ("keepalive",)}),
        # its Pings, meanwhile, were not answered
        ("/ping/0.3?timeout=1.5", {"require_idle_s": 20.0, "only": ("idle",)}),
    ],
)
def test_a_drop_while_wsdiag_itself_was_late_is_not_the_endpoints(
    monkeypatch: pytest.MonkeyPatch, serve: str, path: str, options: dict[str, Any]
) -> None:
    found = stopped_for(3.0, monkeypatch, serve + path, **options)
    assert (found.status, found.unmeasured) == ("skip", True), found
    assert "wsdiag itself was stopped, or had no CPU, and was late by " in found.detail


def test_a_drop_in_time_is_the_endpoints_though_wsdiag_was_late(
    monkeypatch: pytest.MonkeyPatch, serve: str
) -> None:
    options = {"require_idle_s": 20.0, "only": ("idle",)}
    found = stopped_for(1.0, monkeypatch, serve + "/idle/2", **options)
    assert found.status == "fail", found


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's time of arrival")
def test_a_close_counts_from_when_it_came_though_it_was_read_late(
    monkeypatch: pytest.MonkeyPatch, serve: str
) -> None:
    options = {"require_idle_s": 0.8, "only": ("idle",)}
    found = stopped_for(4.0, monkeypatch, serve + "/idle/0.4?drop=close", **options)
    assert found.status == "fail", found
    assert isinstance(found.measured, float)
    assert found.measured < 1.8


async def ignore(client: ScriptedClient) -> None:
    async for _ in client.frames():
        pass


def test_an_unanswered_keepalive_counts_as_sent() -> None:
    kept = results(ignore, dial_options(), require_keepalive_s=0.2, only=("keepalive",))[
        "keepalive"
    ]
    assert "with 1 Ping sent: no Pong within 1 s" in kept.detail


async def leave_when_asked(client: ScriptedClient) -> None:
    async for _ in client.frames():
        client.send(8, (1001).to_bytes(2, "big"))
        return


@pytest.mark.parametrize("rule", ["idle", "keepalive"])
def test_a_close_that_comes_with_the_ping_says_who_sent_it(rule: str) -> None:
    required = {f"require_{rule}_s": 0.2}
    found = results(leave_when_asked, dial_options(), **required, only=(rule,))[rule]
    assert found.status == "fail"
    assert "1001 (going away)" in found.detail
    assert "was shut down" in (found.why or "")


def test_an_end_after_answered_pings_is_no_refusal() -> None:
    ping = results(kick, dial_options(), count=5)["ping"]
    assert ping.status == "fail"
    assert "4409" in ping.detail
    assert "in use" in (ping.why or "")
    assert "authentication" not in (ping.why or "")


async def refuse(client: ScriptedClient) -> None:
    client.send(8, (4003).to_bytes(2, "big") + b"no seat")
    await asyncio.sleep(0.2)


async def leave(client: ScriptedClient) -> None:
    client.send(1, b'{"error":"key revoked"}')
    await client.writer.drain()


def test_a_close_of_the_servers_own_is_no_matter_of_pongs() -> None:
    found = results(refuse, dial_options())
    assert [r.id for r in found.values() if r.status == "fail"] == ["ping"]
    assert "4003 (private use) 'no seat'" in found["ping"].detail
    assert "0 of" not in found["ping"].detail
    assert found["ping"].rule is None
    assert "no seat" not in found["close"].detail


async def close_without_a_code(client: ScriptedClient) -> None:
    client.send(8)
    await asyncio.sleep(0.2)


def test_an_end_that_the_url_explains_is_told_so() -> None:
    async def run() -> EndpointReport:
        server = ScriptedServer(close_without_a_code)
        await server.start()
        try:
            query = "/socket.io/?EIO=4&transport=polling"
            return await checked(server.url.rstrip("/") + query, dial_options())
        finally:
            await server.stop()

    found = {result.id: result for result in asyncio.run(run()).results}
    assert "transport=websocket in the query" in (found["ping"].why or "")


async def say_why_after_a_message(client: ScriptedClient) -> None:
    client.send(1, b"welcome")
    client.send(8, (4401).to_bytes(2, "big") + b"token expired")
    await asyncio.sleep(0.2)


def test_a_reason_counts_after_a_message_too() -> None:
    found = results(say_why_after_a_message, dial_options())
    assert "Fetch a new one" in (found["ping"].why or "")


async def break_a_rule(client: ScriptedClient) -> None:
    client.writer.write(b"\x8a\x81\0\0\0\0x")  # masked, as only clients may
    await asyncio.sleep(0.5)


def test_a_broken_rule_is_told_once_and_by_its_own_section() -> None:
    found = results(break_a_rule, dial_options())
    assert [r.id for r in found.values() if r.status == "fail"] == ["ping"]
    assert "masked frame from a server (RFC 6455, 5.1)" in found["ping"].detail
    assert "0 of" not in found["ping"].detail
    assert found["ping"].rule is None
    assert found["close"].status == "skip"
    assert "see ping" in found["close"].detail


async def answer_otherwise(client: ScriptedClient) -> None:
    async for frame in client.frames():
        client.send(10 if frame.opcode == 9 else 8, b"" if frame.opcode == 9 else frame.payload)
        if frame.opcode == 8:
            return


def test_pongs_of_another_payload_are_no_silence() -> None:
    found = results(answer_otherwise, dial_options())
    assert "2 Pongs came with another payload" in found["ping"].detail
    assert found["close"].status == "pass"


def test_an_end_is_told_once_and_with_the_last_message() -> None:
    found = results(leave, dial_options())
    assert [r.id for r in found.values() if r.status == "fail"] == ["ping"]
    assert "key revoked" in found["ping"].detail
    assert found["close"].status == "skip"


@pytest.mark.parametrize("first", [True, False], ids=["before it is sent", "instead of an answer"])
def test_a_close_fails_the_message_whenever_it_comes(first: bool) -> None:
    async def refuse(client: ScriptedClient) -> None:
        client.send(1, b"yes")
        if first:
            client.send(8, b"\x03\xf0no")
        async for _ in client.frames():
            client.send(8, b"\x03\xf0no")
            return

    found = results(
        refuse,
        dial_options(compression=False),
        send="x",
        expect=re.compile("yes"),
        only=("message",),
    )
    assert found["message"].status == "fail"
    assert "the server closed with 1008" in found["message"].detail
    assert exit_code(list(found.values())) == ExitCode.LIMIT_BROKEN


def test_a_limit_is_no_rule_of_the_protocol() -> None:
    found = results(behave, dial_options(), max_p95_s=1e-9, max_upgrade_s=1e-9)
    assert {id: r.rule for id, r in found.items() if r.status == "fail"} == {
        "upgrade": None,
        "ping.p95": None,
    }
    assert found["ping"].rule == "RFC 6455, 5.5.2"


def test_subprotocols_offered_and_none_chosen_are_a_warning() -> None:
    found = results(behave, dial_options(subprotocols=("graphql-ws", "chat")))
    warning = found["upgrade.subprotocol"]
    assert warning.status == "warn"
    assert "graphql-ws, chat offered" in warning.detail
    assert "browser" in warning.detail
    assert "upgrade.subprotocol" not in results(behave, dial_options())


@pytest.mark.parametrize(
    "header", [("Transfer-Encoding", "chunked"), ("Content-Length", "0")], ids=lambda h: str(h[0])
)
def test_an_answer_that_strict_clients_refuse_is_a_warning(header: tuple[str, str]) -> None:
    warning = results(behave, dial_options(), [header])["upgrade.answer"]
    assert warning.status == "warn"
    assert f"The 101 has {header[0]}: {header[1]}" in warning.detail
    assert "RFC 9112" in warning.detail
    assert "upgrade.answer" not in results(behave, dial_options())


def test_an_expected_status_that_never_comes_fails_with_the_reason() -> None:
    async def run() -> EndpointReport:
        with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and never reads
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
            dial = dial_options(connect_timeout=0.3)
            return await checked(url, dial, expect_status=frozenset({502}))

    report = asyncio.run(run())
    found = {result.id: result for result in report.results}
    assert found["connect"].status == "pass"
    assert found["status"].status == "fail"
    assert "no answer, expected 502" in found["status"].detail
    assert report.error is not None


@pytest.mark.parametrize(("path", "is_open"), [("echo", True), ("status/503", False)])
def test_only_a_path_that_opens_is_told_to_be_open(path: str, is_open: bool) -> None:
    async def run() -> EndpointReport:
        async with wsdiag.serve(path) as server:
            return await checked(server.url, dial_options(), expect_status=frozenset({403}))

    (found,) = (one for one in asyncio.run(run()).results if one.id == "status")
    assert found.status == "fail"
    assert ("open to everybody" in (found.why or "")) == is_open


@pytest.mark.parametrize("code", ["dns-unavailable", "dns-failed", "dns-timeout"])
def test_a_name_that_could_not_be_asked_for_is_no_broken_family(code: str) -> None:
    class Target:
        def connection(self, **_changes: object) -> object:
            raise DialError("dns", "dns", code, "Temporary failure in name resolution")

    finding = asyncio.run(family_opens(Target(), 6))  # type: ignore[arg-type]
    assert finding.status == "skip"
    assert "not known" in finding.detail
