"""Each hint's own example finds it and reads well; the words that users see are checked in bulk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wsdiag.judgement.diagnosis.hints import Hint, diagnose, explain, fill, hints
from wsdiag.judgement.diagnosis.page_text import excerpt
from wsdiag.render.base.redact import Redactor
from wsdiag.transport.dial import failures
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.tls import trust
from wsdiag.transport.tls.values import TlsFacts


def example_code(hint: Hint) -> str:
    return hint.example.get("code") or hint.codes[0]


@pytest.mark.parametrize(
    "hint", hints(), ids=lambda hint: f"{example_code(hint)}: {hint.seen[:30]}"
)
def test_an_example_finds_its_hint_and_says_what_it_promises(hint: Hint) -> None:
    facts = {name: value for name, value in hint.example.items() if name not in ("code", "tells")}
    found = next(each for each in hints() if each.fits(example_code(hint), facts))
    assert found is hint, "an earlier entry takes this example"
    message, advice = explain(example_code(hint), facts)
    assert hint.example["tells"] in f"{message} {advice}"
    assert "?" not in re.sub(r"\?(QUERY|EIO|next|rd=)", "", f"{message} {advice}"), (
        "a fact is missing"
    )


def test_what_a_hint_tells_to_type_is_not_masked() -> None:
    redactor = Redactor()
    for hint in hints():
        for text in (hint.usually, hint.change, *hint.offers.values()):
            said = fill(text, dict(hint.example))
            assert redactor.text(said) == said


def test_every_hint_says_what_was_seen_and_ends_its_advice_as_a_sentence_or_a_command() -> None:
    for hint in hints():
        assert hint.seen
        assert not hint.usually or hint.usually[-1] in ".)", hint.usually


def failure(code: str, *, status: int | None = None, **report: object) -> DialError:
    made = DialReport("ws://a.test/ws", address="192.0.2.7:80", status=status)
    for name, value in report.items():
        setattr(made, name, value)
    return DialError("upgrade", "upgrade", code, "the transport's words", made)


def test_a_redirect_shows_its_target_and_the_command_to_type() -> None:
    error = failure(
        "http-301",
        status=301,
        reason="Moved Permanently",
        headers=(("Location", "https://a.test/ws/"),),
    )
    told = diagnose("ws://a.test/ws", error)
    assert told.message == "the answer was 301 Moved Permanently, to wss://a.test/ws/"
    assert told.hint is not None
    assert told.hint.endswith("wsdiag connect -L ws://a.test/ws")


@pytest.mark.parametrize(
    ("query", "change"),
    [
        ("EIO=4&transport=websocket", "leaves websocket out"),
        ("EIO=4&transport=ws", "?EIO=4&transport=websocket"),
    ],
)
def test_a_transport_that_socket_io_does_not_take_is_told_by_what_was_asked(
    query: str, change: str
) -> None:
    error = failure("http-400", status=400, body=b'{"code":0,"message":"Transport unknown"}')
    error.report.url = f"ws://a.test/socket.io/?{query}"
    assert change in (diagnose(error.report.url, error).hint or "")


def test_the_command_to_type_survives_a_shell() -> None:
    error = failure("http-301", status=301, headers=(("Location", "/ws/"),))
    error.report.url = "ws://a.test/ws?a=1&b=2"
    told = diagnose(error.report.url, error)
    assert (told.hint or "").endswith("wsdiag connect -L 'ws://a.test/ws?a=1&b=2'")


@pytest.mark.parametrize(
    ("proxy", "looked_up", "words"),
    [
        ("http://proxy.test:3128", "proxy.test", "the name of the proxy"),
        ("socks5://proxy.test:1080", "proxy.test", "the name of the proxy"),
        ("socks5://proxy.test:1080", "a.test", "a.test could not be looked up here"),
        (None, "a.test", "the name a.test does not exist"),
    ],
)
def test_whose_name_could_not_be_looked_up(proxy: str | None, looked_up: str, words: str) -> None:
    report = DialReport("ws://a.test/ws", proxy=proxy)
    error = DialError("dns", "dns", "dns-not-found", "unknown", report, host=looked_up)
    assert words in diagnose("ws://a.test/ws", error).message


VERIFIED = TlsFacts("TLSv1.3", None, None, None, None, (), None, None, 90, True)
TEMPTING: dict[str, tuple[DialError, str]] = {
    # name: (a failure that resembles one of the hints, the claim that its evidence does not bear)
    "a portal that TLS vouches for": (
        failure(
            "http-302",
            status=302,
            tls=VERIFIED,
            headers=(("Location", "https://portal.corp.test/x"),),
        ),
        "captive",
    ),
    "a page about Wi-Fi that TLS vouches for": (
        failure("http-200", status=200, tls=VERIFIED, body=b"Our guest wifi. Log in"),
        "captive",
    ),
    "a router's page": (
        failure("http-200", status=200, body=b"<title>Router</title>WiFi settings"),
        "captive",
    ),
    "a processor, not SSO": (
        failure("http-302", status=302, headers=(("Location", "/processor/ws"),)),
        "login",
    ),
    "authors, not /auth": (
        failure("http-302", status=302, headers=(("Location", "/authors"),)),
        "login",
    ),
    "a home page with a link to log in": (
        failure("http-200", status=200, body=b"<title>Shop</title><a href=/in>Log in</a>"),
        "login",
    ),
    "an origin server": (
        failure("http-403", status=403, body=b"The origin server is behind a firewall. Blocked."),
        "refuses the origin",
    ),
    "original, not origin": (
        failure("http-400", status=400, body=b"original request not allowed"),
        "refuses the origin",
    ),
    "a wrong password": (
        failure("http-401", status=401, request_headers=(("Authorization", "Basic eA=="),)),
        "No Authorization header",
    ),
    "TLS asked for": (
        failure("http-426", status=426, headers=(("Upgrade", "TLS/1.2"), ("Server", "nginx"))),
        "proxy_set_header",
    ),
    "an old HTTP version": (failure("http-505", status=505), "It is an HTTP/2-only front"),
}


@pytest.mark.parametrize("name", TEMPTING)
def test_no_more_is_claimed_than_the_evidence_bears(name: str) -> None:
    error, claim = TEMPTING[name]
    told = diagnose("wss://a.test/ws", error)
    assert claim not in f"{told.message} {told.hint}"


def test_a_relative_redirect_is_resolved() -> None:
    error = failure(
        "http-308", status=308, reason="Permanent Redirect", headers=(("location", "/ws/"),)
    )
    assert "to ws://a.test/ws/" in diagnose("ws://a.test/ws", error).message


def test_a_portal_of_the_network_cannot_answer_with_the_servers_certificate() -> None:
    def told(tls: TlsFacts | None) -> str:
        error = failure("http-511", status=511, reason="Network Authentication Required", tls=tls)
        return diagnose("wss://a.test/ws", error).hint or ""

    assert "This network has a captive portal" in told(None)
    assert "No captive portal" in told(VERIFIED)


def test_a_refusal_in_clear_text_through_a_proxy_is_told_in_its_words() -> None:
    error = failures.tls_on_plain_port(b"HTTP/1.1 403 Forbidden\r\nServer: x")
    error.report = DialReport("wss://a.test/ws", proxy="http://proxy.test:3128")
    told = diagnose("wss://a.test/ws", error)
    assert "through the proxy http://proxy.test:3128" in told.message
    assert "HTTP/1.1 403 Forbidden" in told.message
    assert "--noproxy a.test" in (told.hint or "")


def test_to_an_address_a_proxy_read_no_name() -> None:
    for url, named in (("wss://192.0.2.1/ws", False), ("wss://a.test/ws", True)):
        report = DialReport(url, proxy="http://proxy.test:3128")
        error = DialError("tls", "tls", "closed-in-tls", "ended", report, how="fin", received=0)
        hint = diagnose(url, error).hint or ""
        assert ("read the name" in hint) is named
        assert ("no name is sent" in hint) is not named


def test_a_refusals_body_is_told_without_its_markup() -> None:
    body = b"<html><head><title>403 Forbidden</title></head><body><h1>No entry</h1></body></html>"
    told = diagnose(
        "ws://a.test/ws", failure("http-403", status=403, reason="Forbidden", body=body)
    )
    assert told.message == "the server refuses: 403 Forbidden: 403 Forbidden / No entry"


def test_a_body_that_cannot_be_read_gives_no_reason() -> None:
    said = {"status": "403 Forbidden", "with_body": ": …", "origin": "https://a.test"}
    for says, is_reason in (
        ("The tenant acme was suspended on 2 May", True),
        ("(91 bytes that are compressed (br): 0b 02 80…)", False),
    ):
        _, advice = explain("http-403", {**said, "says": says, "own-words": says})
        assert ("its own reason" in advice) == is_reason


def test_a_front_that_is_named_by_its_headers_gets_its_own_directive() -> None:
    error = failure(
        "upgrade-stripped",
        status=426,
        reason="Upgrade Required",
        headers=(("Server", "nginx/1.22.1"),),
    )
    assert "proxy_set_header Upgrade" in (diagnose("ws://a.test/ws", error).hint or "")


def test_facts_of_the_peer_are_never_taken_as_templates() -> None:
    error = failure("http-404", status=404, reason="{host}{0}", body=b"{url} {x!r:>99999}")
    assert "{host}{0}: {url} {x!r:>99999}" in diagnose("ws://a.test/ws", error).message


def test_an_unknown_failure_still_says_what_was_seen() -> None:
    told = diagnose("ws://a.test/ws", failure("never-heard-of"))
    assert (told.message, told.hint) == ("the transport's words", None)


def test_a_bad_url_is_shown_with_the_place_marked() -> None:
    error = DialError("usage", "url", "bad-url", "the host is missing", DialReport("wss://"))
    assert diagnose("wss://", error).message == "the host is missing: wss://»"


def test_excerpts_are_bounded_and_lose_scripts() -> None:
    assert excerpt("<script>alert(1)</script>\n<p>a &amp; b</p>\n\n\nc\nd\ne") == "a & b / c / d"
    assert len(excerpt("x" * 10_000)) == 200
    assert excerpt("<!-- never closed " * 50) == ""


def test_long_facts_are_cut() -> None:
    assert len(fill("{message}", {"message": "m" * 5000})) == 300


def test_a_proxy_that_cannot_be_reached_is_not_taken_for_the_endpoint() -> None:
    report = DialReport("ws://a.test/ws", address="192.0.2.1:3128", proxy="http://p.test:3128")
    error = DialError("refused", "tcp", "refused", "192.0.2.1:3128: refused", report)
    assert diagnose("ws://a.test/ws", error).message.startswith("the proxy http://p.test:3128 ")


def test_the_name_that_was_looked_up_is_the_one_told() -> None:
    error = DialError(
        "dns",
        "dns",
        "dns-not-found",
        "unknown",
        DialReport("ws://a.test/ws"),
        host="b.test",
        family=None,
    )
    assert diagnose("ws://a.test/ws", error).message == "the name b.test does not exist"


def codes_of_the_transport() -> set[str]:
    """Stable ids that a dial may fail with, from its tables and from the calls themselves."""
    found = {code for _, code in failures._CONNECT_CODES.values()}
    found |= set(failures._TIMEOUT_CODES.values()) | set(trust._VERIFY_CODES.values())
    literal = re.compile(r'(?:DialError\(\s*"\w+",\s*\S+,|_error\(|_refusal\()\s*"([a-z-]+)"')
    for module in Path(failures.__file__).parent.glob("*.py"):
        found |= set(literal.findall(module.read_text("utf-8")))
    return found


def test_every_failure_of_a_dial_has_an_entry() -> None:
    codes = codes_of_the_transport()
    assert {"refused", "cert-expired", "upgrade-timeout", "bad-url", "proxy-closed"} <= codes
    assert not {code for code in codes if not any(each.fits(code, {}) for each in hints())}


CERTIFICATE = TlsFacts("TLSv1.3", None, None, None, None, (), None, None, 90, False)


@pytest.mark.parametrize(
    ("wanted", "sans", "said"),
    [
        ("192.0.2.1", ("192.0.2.1",), "lists 192.0.2.1 as a DNS name, not as an IP address"),
        ("x.y.a.test", ("*.a.test",), "*.a.test does not cover x.y.a.test"),
        ("a.test", ("*.a.test",), "missing from the certificate"),
        ("a.test", ("b.test",), "missing from the certificate"),
    ],
)
def test_why_a_name_is_not_among_those_of_a_certificate(
    wanted: str, sans: tuple[str, ...], said: str
) -> None:
    report = DialReport(f"wss://{wanted}/", tls=CERTIFICATE._replace(sans=sans))
    error = DialError("cert", "tls", "cert-wrong-name", "mismatch", report, wanted=wanted)
    record = diagnose(f"wss://{wanted}/", error)
    assert said in f"{record.message} {record.hint}"


def test_what_lies_behind_a_proxy_is_not_told_of_the_proxys_address() -> None:
    report = DialReport("wss://a.test/", address="192.0.2.1:3128", proxy="http://192.0.2.1:3128")
    error = DialError("tls", "tls", "closed-in-tls", "ended", report, how="fin", received=0)
    record = diagnose("wss://a.test/", error)
    assert "192.0.2.1:3128 ended" not in record.message
    assert "a.test:443 itself ended it" in (record.hint or "")


@pytest.mark.parametrize(
    ("proxy", "said"),
    [("http://proxy.test:3128", "is this machine"), ("http://me:x@127.0.0.1:3128", "is down or")],
)
def test_a_proxy_that_is_asked_for_this_machine(proxy: str, said: str) -> None:
    report = DialReport("ws://localhost:8080/", proxy=proxy)
    error = DialError("proxy", "proxy", "proxy-http-503", "503 Service Unavailable", report)
    assert said in (diagnose("ws://localhost:8080/", error).hint or "")
