"""Names that cannot be looked up: what a resolver says of them, and what that means."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.transport.dial import failures, resolve
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError

V4, V6 = socket.AF_INET, socket.AF_INET6
NODATA = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)
ZONE: dict[str, tuple[int, ...]] = {"v4.test": (V4,), "v6.test": (V6,), "empty.test": ()}
"""The families that a name has addresses of."""


def ask(host: str | bytes, port: int, family: int = 0, **_: Any) -> list[Any]:
    """As glibc: with a search domain, what it says of a name is what it heard of the last one."""
    name = host.decode() if isinstance(host, bytes) else host
    alone = name.endswith(".")
    kinds = ZONE.get(name.removesuffix("."))
    found = [kind for kind in kinds or () if family in (0, kind)]
    if not found:
        exists = kinds is not None and alone
        raise socket.gaierror(NODATA if exists else socket.EAI_NONAME, "as the test says")
    address = {V4: ("192.0.2.1", port), V6: ("2001:db8::1", port, 0, 0)}
    return [(kind, socket.SOCK_STREAM, 6, "", address[kind]) for kind in found]


def refusal(monkeypatch: pytest.MonkeyPatch, host: str, **options: Any) -> DialError:
    monkeypatch.setattr(resolve.socket, "getaddrinfo", ask)
    with pytest.raises(DialError) as caught:
        asyncio.run(resolve.resolve_name(host, 80, DialOptions(**options)))
    return caught.value


@pytest.mark.parametrize(
    ("host", "family", "said"),
    [
        ("v6.test", 4, "v6.test has no IPv4 address"),
        ("v4.test", 6, "v4.test has no IPv6 address"),
        ("nowhere.test", 6, "the name nowhere.test does not exist"),
        ("nowhere.test", None, "the name nowhere.test does not exist"),
        ("empty.test.", None, "the name empty.test. exists, but has no address"),
        ("empty.test", None, "the name empty.test exists, but has no address"),
    ],
)
def test_a_name_that_exists_is_not_said_not_to(
    monkeypatch: pytest.MonkeyPatch, host: str, family: int | None, said: str
) -> None:
    error = refusal(monkeypatch, host, family=family)
    assert diagnose(f"ws://{host}/", error).message == said


@pytest.mark.parametrize(("host", "why"), [("db", "A name without a dot"), ("db.", "The dot at")])
def test_search_domains_are_thought_of(
    monkeypatch: pytest.MonkeyPatch, host: str, why: str
) -> None:
    hint = diagnose(f"ws://{host}/", refusal(monkeypatch, host)).hint or ""
    assert hint.startswith(why)
    assert "search domains" in hint


@pytest.mark.parametrize(("took_s", "said"), [(0.02, "SERVFAIL"), (5.0, "gave no answer")])
def test_an_answer_of_the_resolver_is_no_silence(took_s: float, said: str) -> None:
    again = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    error = failures.name_resolution("a.test", again, DialOptions(), took_s)
    told = diagnose("ws://a.test/", error)
    assert said in (told.hint or "")
    assert told.message.count("a.test") == 1


def test_that_a_proxy_was_set_and_not_used_is_told() -> None:
    error = failures.name_resolution(
        "a.test", socket.gaierror(socket.EAI_NONAME, "?"), DialOptions()
    )
    error.report.proxy_why = "no_proxy covers a.test, so that http_proxy does not apply"
    assert "No proxy was used: no_proxy covers a.test" in (
        diagnose("ws://a.test/", error).hint or ""
    )
