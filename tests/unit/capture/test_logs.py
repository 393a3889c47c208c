"""Access logs: those that manuals show, and broken ones."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.capture.growth import assert_linear
from wsdiag.capture.http import split_target
from wsdiag.capture.log_formats import (
    ENVOY_FLAGS,
    HAPROXY_CAUSES,
    HAPROXY_PHASES,
    clf_time,
    envoy_words,
    haproxy_words,
    iso_time,
)
from wsdiag.capture.logs import LogFormatError, LogReader, compile_format, recognise
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import recorded_url

NGINX_FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_time'
)
NGINX = (
    '192.0.2.7 - - [28/Nov/2026:03:00:07 +0100] "GET /chat?room=1 HTTP/1.1" 101 512 "-" '
    '"Mozilla/5.0 (X11) \\x22quoted\\x22" 60.001\n'
)
HAPROXY_HTTP = (
    "Nov 28 03:00:07 lb haproxy[1]: 192.0.2.7:33317 [28/Nov/2026:02:59:07.250] in~ out/s1 "
    '10/0/30/69/60109 101 2750 - - sD-- 1/1/1/1/0 0/0 {example.com|Moz 5} {} "GET /chat HTTP/1.1"\n'
)
HAPROXY_TCP = (
    "<134>Nov 28 03:00:07 haproxy[14387]: 192.0.2.7:33313 [28/Nov/2026:02:59:07.250] fnt bck/srv1 "
    "0/5/60007 212 cD 0/0/0/0/3 0/0\n"
)
ENVOY = (
    '[2026-11-28T03:00:07.500Z] "GET /chat HTTP/1.1" 101 UC 154 3000 60226 100 '
    '"192.0.2.7,10.0.0.1" "agent" "cc21d9b0-cf5c" "example.com" "10.0.2.1:80"\n'
)
ISTIO = (
    '[2026-11-28T03:00:07.500Z] "GET /chat HTTP/1.1" 101 DC,SI via_upstream - "-" 154 3000 60226 - '
    '"-" "agent" "cc21d9b0-cf5c" "example.com" "10.0.2.1:80" outbound - - - - -\n'
)
ALB = (
    "wss 2026-11-28T03:01:07.500000Z app/my-loadbalancer/50dc6c495c0c9188 192.0.2.7:44244 "
    "10.0.0.171:8010 0.000 0.001 0.002 101 101 218 786 "
    '"GET https://example.com:443/chat?room=1 HTTP/1.1" "-" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 '
    'arn:aws:elasticloadbalancing:x:1:targetgroup/t/7 "Root=1-58337364" "-" "-" 1 '
    '2026-11-28T03:00:07.500000Z "forward" "-" "-"\n'
)
SAMPLES = [NGINX, HAPROXY_HTTP, HAPROXY_TCP, ENVOY, ISTIO, ALB]


def read(
    text: str, parse: Callable[[str], object] | None = None
) -> tuple[list[ConnectionFacts], LogReader]:
    reader = LogReader(io.BytesIO(text.encode()), "access.log", parse)  # type: ignore[arg-type]
    return list(reader), reader


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_nginx_combined_and_the_duration() -> None:
    plain = NGINX.replace(" 101 ", " 200 ").replace("60.001", "0.001")
    (facts,), reader = read(plain + NGINX + "junk\n")
    assert reader.format == "nginx combined"
    assert (reader.totals.plain_http, reader.totals.unreadable) == (1, 1)
    assert facts.began == pytest.approx(moment("2026-11-28T02:00:07") - 60.001)
    assert (facts.opened_s, facts.ended_s, facts.recorded_s) == (0.0, 60.001, 60.001)
    assert (facts.status, facts.path, facts.version) == (101, "/chat?room=1", "1.1")
    assert facts.client_address == "192.0.2.7"
    assert facts.log_flags is None
    assert facts.idle_s is None


TRAEFIK = (
    '192.0.2.7 - - [28/Nov/2026:02:00:07 +0000] "GET /chat?room=1 HTTP/1.1" 101 0 "-" "-" 7 '
    '"chat@docker" "http://172.18.0.3:8080" 60001ms\n'
)
TRAEFIK_JSON = (
    '{"ClientAddr":"192.0.2.7:5000","DownstreamStatus":101,"Duration":60001000000,'
    '"RequestHost":"example.com","RequestPath":"/chat?room=1","RequestProtocol":"HTTP/1.1",'
    '"StartUTC":"2026-11-28T02:00:07Z"}\n'
)
CADDY = (
    '{"level":"info","ts":1795831267.001,"logger":"http.log.access","msg":"handled request",'
    '"request":{"remote_ip":"192.0.2.7","proto":"HTTP/1.1","host":"example.com",'
    '"uri":"/chat?room=1"},"duration":60.001,"status":101}\n'
)
ENVOY_JSON = (
    '{"response_code":101,"duration":60001,"start_time":"2026-11-28T02:00:07Z","path":'
    '"/chat?room=1","protocol":"HTTP/1.1","authority":"example.com","response_flags":"SI"}\n'
)


@pytest.mark.parametrize("text", [TRAEFIK, TRAEFIK_JSON, CADDY, ENVOY_JSON])
def test_traefik_caddy_and_lines_of_json(text: str) -> None:
    plain = text.replace(" 101 ", " 200 ").replace(":101,", ":200,").replace(":101}", ":200}")
    (facts,), reader = read(plain + text + "{}\n")
    assert (reader.totals.plain_http, reader.totals.unreadable) == (1, 1)
    assert facts.ended_s == pytest.approx(60.001)
    assert facts.began == pytest.approx(moment("2026-11-28T02:00:07"), abs=0.01)
    assert (facts.status, facts.path, facts.version) == (101, "/chat?room=1", "1.1")
    assert facts.log_flags == ("SI" if text is ENVOY_JSON else None)


def test_a_number_without_decimals_is_no_duration() -> None:
    """Apache's %D counts microseconds, and %T seconds."""
    found, reader = read(NGINX.replace("60.001", "60001000"))
    assert (found, reader.totals.other) == ([], 1)


def test_nginx_without_a_duration() -> None:
    found, reader = read(NGINX.replace(" 60.001", ""))
    assert not found
    assert reader.totals.notes == [
        "1 lines of WebSockets say nothing of how long they lived: their log format lacks the "
        "duration (nginx: $request_time)"
    ]


def test_haproxy_in_http() -> None:
    (facts,), reader = read(HAPROXY_HTTP)
    assert reader.format == "HAProxy"
    local = datetime(2026, 11, 28, 2, 59, 7, 250000).timestamp()
    assert facts.began == pytest.approx(local)
    assert (facts.opened_s, facts.ended_s) == (0.109, 60.109)
    assert (facts.log_flags, facts.path, facts.scheme) == ("sD", "/chat", "wss")
    assert facts.client_address == "192.0.2.7:33317"
    assert facts.log_words == (
        "a timeout of the server's side ran out (timeout server, or timeout tunnel) "
        "while it was open"
    )


def test_haproxy_in_tcp() -> None:
    (facts,), _ = read("haproxy[1]: Proxy in started.\n" + HAPROXY_TCP)
    assert (facts.status, facts.opened_s, facts.ended_s) == (None, None, 60.007)
    assert facts.log_flags == "cD"
    assert "whether it was a WebSocket is not known" in facts.notes[0]


def test_haproxy_logging_as_soon_as_possible_says_nothing_of_durations() -> None:
    found, reader = read(HAPROXY_HTTP.replace("/60109", "/+109"))
    assert (found, reader.totals.other) == ([], 1)


def test_haproxy_without_an_answer() -> None:
    found, reader = read(HAPROXY_HTTP.replace(" 101 ", " -1 ").replace("sD--", "CH--"))
    assert (found, reader.totals.plain_http) == ([], 1)


def test_what_haproxy_s_letters_mean() -> None:
    for cause in HAPROXY_CAUSES:
        for phase in HAPROXY_PHASES:
            assert haproxy_words(cause + phase)
    # HAProxy reads no frames: the FIN of a server that was killed is in order, too
    assert haproxy_words("--") == "TCP was closed in order, with or without a Close frame before"
    assert haproxy_words("CD").startswith("the client ended the TCP connection")
    assert haproxy_words("cD").startswith("a timeout of the client's side ran out (timeout client")


def test_envoy_and_istio() -> None:
    (facts,), reader = read(ENVOY)
    assert reader.format == "Envoy"
    assert facts.began == pytest.approx(moment("2026-11-28T03:00:07.500"))
    assert (facts.ended_s, facts.host, facts.path) == (60.226, "example.com", "/chat")
    first = "was the first to end TCP, with or without a Close frame before"
    assert (facts.log_flags, facts.log_words) == ("UC", f"the upstream {first}")
    assert facts.client_address == "192.0.2.7"
    (facts,), _ = read(ISTIO)
    assert (facts.ended_s, facts.client_address, facts.host) == (60.226, None, "example.com")
    assert facts.log_words == f"the client {first}; the stream's idle timeout ran out"
    (facts,), _ = read(ENVOY.replace(" UC ", " - "))
    assert facts.log_flags is None
    assert all(envoy_words(flag) != flag for flag in ENVOY_FLAGS)
    assert envoy_words("NEW") == "NEW"


@pytest.mark.parametrize(
    ("flags", "outcome", "by"),
    [
        ("UC", "unknown", "unknown"),  # as after a Close frame of the client's
        ("DC", "unknown", "unknown"),  # some clients do not wait for the server behind its Close
        ("DC,SI", "idle-timeout", "middlebox"),
        ("DR", "client-gone", "client"),
    ],
)
def test_who_was_the_first_to_end_tcp_is_not_who_ended_it(
    flags: str, outcome: str, by: str
) -> None:
    (facts,), _ = read(ENVOY.replace(" UC ", f" {flags} "))
    ending = judge_connection(facts)
    assert (ending.outcome, ending.ended_by) == (outcome, by)


def test_alb() -> None:
    (facts,), reader = read(ALB + ALB.replace("wss ", "https ", 1).replace("101 101", "200 200"))
    assert reader.format == "AWS ALB"
    assert reader.totals.plain_http == 1
    assert facts.began == pytest.approx(moment("2026-11-28T03:00:07.500"))
    assert facts.ended_s == pytest.approx(60.0)
    assert facts.opened_s == pytest.approx(0.003)
    assert (facts.scheme, facts.host, facts.path) == ("wss", "example.com:443", "/chat?room=1")
    assert facts.client_address == "192.0.2.7:44244"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (NGINX, "nginx combined"),
        (ENVOY, "Envoy"),
        (ALB, "AWS ALB"),
        (HAPROXY_TCP, "HAProxy"),
        (TRAEFIK, "Traefik"),
        (TRAEFIK_JSON, "Traefik"),
        (CADDY, "Caddy"),
        (ENVOY_JSON, "Envoy"),
    ],
)
def test_formats_are_recognised(text: str, name: str) -> None:
    assert recognise(b"first\n" + text.encode()) == name
    assert recognise(b"first\n") is None


# -- a format that is given ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (NGINX_FORMAT, NGINX),
        (
            "log_format ws '$remote_addr [$time_iso8601] '\n  '\"$request\" $status '\n"
            "  '${request_time}';",
            '192.0.2.7 [2026-11-28T03:00:07+01:00] "GET /chat?room=1 HTTP/1.1" 101 60.001\n',
        ),
        (
            'log_format j escape=json \'{"a":"$remote_addr","r":"$request","s":$status,'
            '"m":$msec,"t":$request_time}\';',
            '{"a":"192.0.2.7","r":"GET /chat?room=1 HTTP/1.1",'
            '"s":101,"m":1795831207.000,"t":60.001}\n',
        ),
        (
            "$remote_addr $http_user_agent $request_uri $status $request_time $msec",
            "192.0.2.7 Mozilla 101 5.0 like /chat?room=1 101 60.001 1795831207.000\n",
        ),
        (
            "$msec $status $scheme$host$uri $remote_addr $request_uri $upstream_response_time",
            "1795831207.000 101 httpsexample.com/chat 192.0.2.7 /chat?room=1 0.001, 60.001\n",
        ),
    ],
)
def test_formats_that_are_given(given: str, line: str) -> None:
    (facts,), reader = read(line + "junk\n", compile_format(given))
    assert (facts.ended_s, facts.status, facts.path) == (60.001, 101, "/chat?room=1")
    assert facts.client_address == "192.0.2.7"
    assert facts.began == pytest.approx(1795831207 - 60.001)
    assert reader.totals.unreadable == 1


def test_names_of_host_port_and_scheme() -> None:
    parse = compile_format("$remote_addr $remote_port $scheme://$host $status $request_time")
    (facts,), _ = read("192.0.2.7 4444 https://example.com 101 1.000\n", parse)
    assert (facts.client_address, facts.host, facts.scheme) == (
        "192.0.2.7:4444",
        "example.com",
        "wss",
    )
    (facts,), _ = read("192.0.2.7 - http://- 101 1.000\n", parse)
    assert (facts.client_address, facts.host, facts.scheme) == ("192.0.2.7", None, "ws")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("$remote_addr $status", "no $request_time"),
        ("$request_time", "no $status"),
        ("$status$request_time", "no $request_time"),
        ("", "no $request_time"),
    ],
)
def test_formats_that_do_not_do(given: str, problem: str) -> None:
    with pytest.raises(LogFormatError, match=problem.replace("$", r"\$")):
        compile_format(given)


def test_a_tcp_log_of_nginx() -> None:
    parse = compile_format("$remote_addr [$time_local] $protocol $status $session_time")
    (facts,), _ = read("192.0.2.7 [28/Nov/2026:03:00:07 +0000] TCP 200 60.100\n", parse)
    assert (facts.status, facts.ended_s) == (None, 60.1)


# -- broken and hostile ----------------------------------------------------------------------


@given(st.sampled_from(SAMPLES), st.data())
def test_lines_that_were_changed(sample: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(sample)))
        junk = data.draw(st.text(alphabet='0٣9-+ []{}":/\\"xA\n', max_size=4))
        sample = sample[:at] + junk + sample[at + data.draw(st.integers(0, 4)) :]
    read(sample)
    read(sample, compile_format(NGINX_FORMAT))


@given(st.binary(), st.text())
def test_any_bytes_and_any_format(data: bytes, given: str) -> None:
    list(LogReader(io.BytesIO(data), "x"))
    recognise(data)
    try:
        parse = compile_format(given + "$status " + given + "$request_time" + given)
    except LogFormatError:
        return
    list(LogReader(io.BytesIO(data), "x", parse))


@given(st.text(alphabet="0123456789٣/:. +-TZJanFeb", max_size=30))
def test_any_time(text: str) -> None:
    clf_time(text)
    iso_time(text)


@pytest.mark.parametrize("part", ["[ ", '"\\" ', "{ ", '" \\', "[x", "/0 ", ": "])
@pytest.mark.parametrize("given", [None, NGINX_FORMAT])
def test_twice_as_much_takes_twice_as_long(part: str, given: str | None) -> None:
    line = part * ((1 << 15) // len(part)) + "\n"
    parse = None if given is None else compile_format(given)
    assert_linear(lambda count: read(line * count, parse), 8)


def test_a_line_that_is_too_long() -> None:
    (facts,), reader = read("x" * 200_000 + "\n" + NGINX)
    assert facts.ended_s == 60.001
    assert reader.totals.unreadable == 1


ABSOLUTE = "https://example.com:8443/chat?room=1"


@pytest.mark.parametrize(
    ("text", "parse"),
    [
        (HAPROXY_HTTP.replace("/chat HTTP/1.1", f"{ABSOLUTE} HTTP/2.0"), None),
        (NGINX.replace("/chat?room=1 HTTP/1.1", f"{ABSOLUTE} HTTP/2.0"), None),
        (
            NGINX.replace("/chat?room=1 HTTP/1.1", f"{ABSOLUTE} HTTP/2.0"),
            compile_format(NGINX_FORMAT),
        ),
        (ENVOY.replace("/chat HTTP/1.1", f"{ABSOLUTE} HTTP/2"), None),
        (ALB.replace("https://example.com:443/chat?room=1 HTTP/1.1", f"{ABSOLUTE} HTTP/2.0"), None),
        (TRAEFIK.replace("/chat?room=1 HTTP/1.1", f"{ABSOLUTE} HTTP/2.0"), None),
        (TRAEFIK_JSON.replace("/chat?room=1", ABSOLUTE).replace("HTTP/1.1", "HTTP/2.0"), None),
        (CADDY.replace("/chat?room=1", ABSOLUTE).replace("HTTP/1.1", "HTTP/2.0"), None),
        (ENVOY_JSON.replace("/chat?room=1", ABSOLUTE).replace("HTTP/1.1", "HTTP/2"), None),
    ],
)
def test_a_target_in_absolute_form_is_the_url(text: str, parse: object) -> None:
    """As HAProxy logs requests of HTTP/2, and every proxy those that were sent to it so."""
    (facts,), _ = read(text, parse)  # type: ignore[arg-type]
    assert recorded_url(facts, show_secrets=True) == "wss://example.com:8443/chat?room=1"
    assert facts.version == "2"


@pytest.mark.parametrize(
    ("target", "split"),
    [
        ("/chat?to=http://a/b", (None, None, "/chat?to=http://a/b")),
        ("http://a.test", ("ws", "a.test", "/")),
        ("HTTPS://a.test:8443?x=1", ("wss", "a.test:8443", "/?x=1")),
        ("wss://user:secret@a.test/b?c=https://d", ("wss", "a.test", "/b?c=https://d")),
        ("ftp://a.test/b", (None, None, "ftp://a.test/b")),
        ("a.test:443", (None, None, "a.test:443")),
        ("*", (None, None, "*")),
        ("", (None, None, "")),
    ],
)
def test_request_targets(target: str, split: tuple[str | None, str | None, str]) -> None:
    assert split_target(target) == split


CADDY_HTTP2 = (
    '{"level":"info","ts":1795831267.001,"logger":"http.log.access.log0","msg":"handled request",'
    '"request":{"remote_ip":"192.0.2.7","proto":"HTTP/2.0","method":"CONNECT","host":"example.com",'
    '"uri":"/chat?room=1","headers":{":protocol":["websocket"]},"tls":{"version":772}},'
    '"duration":60.001,"size":14,"status":200}\n'
)


def test_caddy_over_http2() -> None:
    """The answer to an extended CONNECT is 200 (RFC 8441, 5)."""
    others = (
        CADDY_HTTP2.replace(":200", ":502"),
        CADDY_HTTP2.replace('"websocket"', '"connect-udp"'),
        CADDY_HTTP2.replace('":protocol":["websocket"]', ""),
    )
    (facts,), reader = read("".join(others) + CADDY_HTTP2)
    assert (reader.totals.plain_http, reader.totals.unreadable) == (3, 0)
    assert recorded_url(facts) == "wss://example.com/chat?room=***"
    assert (facts.status, facts.version, facts.ended_s) == (200, "2", 60.001)


def test_json_lines_tell_tls() -> None:
    (facts,), _ = read(TRAEFIK_JSON.replace('"ClientAddr"', '"TLSVersion":"1.3","ClientAddr"'))
    assert facts.scheme == "wss"
    (facts,), _ = read(TRAEFIK_JSON)
    assert facts.scheme is None
