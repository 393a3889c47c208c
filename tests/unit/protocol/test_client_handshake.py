"""The client's half of the opening handshake: what is sent, and every way an answer can fail."""

from collections.abc import Callable, Iterable

import pytest

from tests.unit.protocol.wire import cuts
from wsdiag.protocol.client_handshake import MAX_BODY_BYTES, Accepted, ClientHandshake, new_key
from wsdiag.protocol.deflate import DeflateOffer
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.protocol.http import accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
}


def answer(status: str = "101 Switching Protocols", /, **changes: str | None) -> bytes:
    """A 101 with headers changed, added or (None) removed; `_` in a name stands for `-`."""
    headers: dict[str, str | None] = dict(GOOD)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


def client(**options: object) -> ClientHandshake:
    handshake = ClientHandshake("localhost:8765", "/chat?x=1", key=KEY, **options)  # type: ignore[arg-type]
    handshake.request()
    return handshake


def refusal(handshake: ClientHandshake, *chunks: bytes) -> HandshakeError:
    """The error that these bytes, and then the stream's end, lead to."""
    with pytest.raises(HandshakeError) as caught:
        exhaust(handshake, chunks)
    return caught.value


def exhaust(handshake: ClientHandshake, chunks: Iterable[bytes]) -> None:
    for chunk in chunks:
        assert handshake.receive(chunk) is None
    handshake.receive_eof()


def test_the_rfcs_own_accept_key() -> None:
    assert accept_key(KEY) == GOOD["Sec-WebSocket-Accept"]


def test_the_request_names_and_order_as_sent() -> None:
    handshake = ClientHandshake(
        "localhost:8765",
        "/chat?x=1",
        key=KEY,
        subprotocols=["a", "b"],
        origin="http://o",
        deflate_offer=DeflateOffer(),
        user_agent="wsdiag/1",
        headers=[("X-Custom", "yes")],
    )
    assert handshake.request().decode().split("\r\n") == [
        "GET /chat?x=1 HTTP/1.1",
        "Host: localhost:8765",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {KEY}",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: a, b",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Origin: http://o",
        "User-Agent: wsdiag/1",
        "X-Custom: yes",
        "",
        "",
    ]
    assert handshake.request_headers[0] == ("Host", "localhost:8765")


def test_the_users_headers_replace_ours_and_an_empty_one_removes_it() -> None:
    headers = [("host", "other"), ("User-Agent", ""), ("X-Empty", ""), ("Cookie", "a=b")]
    handshake = ClientHandshake("h", "/", key=KEY, user_agent="wsdiag", headers=headers)
    sent = handshake.request_headers
    assert ("host", "other") in sent
    assert ("X-Empty", "") in sent
    assert not [name for name, _ in sent if name in ("Host", "User-Agent")]


@pytest.mark.parametrize(
    "header",
    [("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\x00"), ("X Y", "z"), ("", "z"), ("é", "z")],
)
def test_a_header_that_http_cannot_carry_is_refused_before_it_is_sent(
    header: tuple[str, str],
) -> None:
    with pytest.raises(LocalProtocolError):
        ClientHandshake("h", "/", headers=[header]).request()


def test_a_target_with_a_line_break_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        ClientHandshake("h", "/ HTTP/1.1\r\nX: y").request()


def test_keys_are_fresh() -> None:
    assert len({new_key() for _ in range(50)}) == 50


def test_a_good_answer_however_cut() -> None:
    for chunks in cuts(answer(X_Server="Né")):
        results = [client_result for client_result in _feed(client(), chunks) if client_result]
        assert len(results) == 1
        response = results[0].response
        assert (response.status, response.reason) == (101, "Switching Protocols")
        assert response.headers[-1] == ("X-Server", "Né")
        assert results[0].deflate is None
        assert results[0].extensions == []


def _feed(handshake: ClientHandshake, chunks: list[bytes]) -> list[Accepted | None]:
    return [handshake.receive(chunk) for chunk in chunks]


def test_values_that_differ_in_case_or_stand_in_lists_are_good() -> None:
    good = answer(Upgrade="WebSocket", Connection="keep-alive, upgrade")
    assert client().receive(good) is not None


def test_subprotocol_and_extension_as_offered() -> None:
    handshake = client(subprotocols=["a", "b"], deflate_offer=DeflateOffer())
    extension = "permessage-deflate; server_max_window_bits=10"
    wire = answer(Sec_WebSocket_Protocol="b", Sec_WebSocket_Extensions=extension)
    accepted = handshake.receive(wire)
    assert accepted is not None
    assert accepted.subprotocol == "b"
    assert accepted.extensions == [extension]
    assert accepted.deflate is not None
    assert accepted.deflate.server_max_window_bits == 10


def test_interim_answers_are_passed_over() -> None:
    wire = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer()
    for chunks in cuts(wire):
        assert any(_feed(client(), chunks))


DEFLATE: dict[str, object] = {"deflate_offer": DeflateOffer()}
WRONG: list[tuple[str, dict[str, str | None], dict[str, object]]] = [
    ("bad-upgrade", {"Upgrade": None}, {}),
    ("bad-upgrade", {"Upgrade": "h2c"}, {}),
    ("bad-upgrade", {"Upgrade": "websocket, h2c"}, {}),
    ("bad-connection", {"Connection": None}, {}),
    ("bad-connection", {"Connection": "close"}, {}),
    ("missing-accept", {"Sec_WebSocket_Accept": None}, {}),
    ("bad-accept", {"Sec_WebSocket_Accept": "x"}, {}),
    ("bad-accept", {"Sec_WebSocket_Accept": ""}, {}),
    ("subprotocol-not-offered", {"Sec_WebSocket_Protocol": "c"}, {"subprotocols": ["a"]}),
    ("subprotocol-not-offered", {"Sec_WebSocket_Protocol": "c"}, {}),
    ("subprotocol-not-offered", {"Sec_WebSocket_Protocol": "a, b"}, {"subprotocols": ["a", "b"]}),
    ("extension-not-offered", {"Sec_WebSocket_Extensions": "permessage-deflate"}, {}),
    ("extension-not-offered", {"Sec_WebSocket_Extensions": "x-foo"}, DEFLATE),
    ("extension-invalid", {"Sec_WebSocket_Extensions": "permessage-deflate; y"}, DEFLATE),
    ("extension-invalid", {"Sec_WebSocket_Extensions": "permessage-deflate;"}, DEFLATE),
    (
        "extension-invalid",
        {"Sec_WebSocket_Extensions": "permessage-deflate, permessage-deflate"},
        DEFLATE,
    ),
    (
        "extension-invalid",
        {"Sec_WebSocket_Extensions": "permessage-deflate; server_max_window_bits=Infinity"},
        DEFLATE,
    ),
]


@pytest.mark.parametrize(("code", "changes", "options"), WRONG)
def test_every_fault_of_a_101_has_its_code(
    code: str, changes: dict[str, str | None], options: dict[str, object]
) -> None:
    error = refusal(client(**options), answer(**changes))
    assert error.code == code
    assert error.response is not None
    assert error.response.status == 101
    assert error.section.startswith("RFC 6455, 4")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Connection": None}, "the 101 has no Connection header"),
        ({"Connection": ""}, "the 101 has an empty Connection header"),
        ({"Connection": "close"}, "the 101 has Connection: close, without the token upgrade"),
        ({"Upgrade": ""}, "the 101 has an empty Upgrade header"),
    ],
)
def test_what_a_101_lacks_is_said_once(changes: dict[str, str | None], said: str) -> None:
    assert refusal(client(), answer(**changes)).message == said


def test_two_accept_headers_are_not_one() -> None:
    wire = answer(sec_websocket_accept=GOOD["Sec-WebSocket-Accept"])
    error = refusal(client(), wire)
    assert error.code == "header-twice"
    assert "2 Sec-WebSocket-Accept headers" in error.message


@pytest.mark.parametrize("name", ["Upgrade", "Sec_WebSocket_Protocol"])
def test_what_has_one_value_must_not_come_twice(name: str) -> None:
    value = {"Upgrade": "websocket", "Sec_WebSocket_Protocol": "a"}[name]
    line = f"{name.replace('_', '-')}: {value}\r\n".encode()
    wire = answer(**{name: value})[:-2] + line + b"\r\n"
    assert refusal(client(subprotocols=["a"]), wire).code == "header-twice"


def test_connection_may_come_twice_and_an_empty_subprotocol_is_none() -> None:
    wire = answer(Connection="keep-alive")[:-2] + b"Connection: upgrade\r\n\r\n"
    assert client().receive(wire) is not None
    accepted = client(subprotocols=["a"]).receive(answer(Sec_WebSocket_Protocol=""))
    assert accepted is not None
    assert accepted.subprotocol is None


@pytest.mark.parametrize(
    "line", [b"no colon at all", b"Bad Name: x", b"X-Spaced : y", b": no name", b"\xff\xfe: x"]
)
def test_lines_that_are_no_headers_are_passed_over_and_kept(line: bytes) -> None:
    accepted = client().receive(answer()[:-2] + line + b"\r\nX-After: yes\r\n\r\nframes")
    assert accepted is not None
    assert accepted.response.malformed == (line.decode("latin-1"),)
    assert accepted.response.header("X-After") == "yes"
    assert accepted.trailing == b"frames"
    assert (accepted.response.header("X-Spaced") == "y") is (line == b"X-Spaced : y")


def test_a_101_is_told_in_its_own_version_of_http() -> None:
    accepted = client().receive(answer().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    assert accepted is not None
    assert accepted.response.version == "1.0"


def test_what_frames_no_body_does_not_spoil_a_101_or_hide_a_status() -> None:
    framing = b"Content-Length: many\r\nContent-Length: 2\r\nTransfer-Encoding: x\r\n\r\n"
    assert client().receive(answer()[:-2] + framing) is not None
    handshake = client()
    handshake.receive(b"HTTP/1.1 502 Bad\r\n" + framing + b"why")
    with pytest.raises(HandshakeError) as caught:
        handshake.receive_eof()
    assert caught.value.response is not None
    assert (caught.value.response.status, caught.value.response.body) == (502, b"why")


@pytest.mark.parametrize(
    ("status", "headers", "body", "code"),
    [
        ("200 OK", {}, b"<html>", "http-status"),
        ("301 Moved Permanently", {"Location": "/x"}, b"", "http-status"),
        ("401 Unauthorized", {"WWW-Authenticate": "Basic"}, b"no", "http-status"),
        ("429", {"Retry-After": "Infinity"}, b"", "http-status"),
        ("503 Service Unavailable", {}, b"later", "http-status"),
        ("426 Upgrade Required", {"Sec_WebSocket_Version": "8, 7"}, b"", "bad-version"),
        ("426 Upgrade Required", {"Upgrade": "websocket"}, b"", "upgrade-stripped"),
        ("400 Bad Request", {}, b"Missing Upgrade header", "upgrade-stripped"),
        ("400 Bad Request", {}, b"go away", "http-status"),
    ],
)
def test_every_refusal_has_its_code_and_its_body(
    status: str, headers: dict[str, str | None], body: bytes, code: str
) -> None:
    changes: dict[str, str | None] = {name.replace("-", "_"): None for name in GOOD}
    changes |= headers | {"Content_Length": str(len(body))}
    wire = answer(status, **changes) + body
    for chunks in cuts(wire):
        error = refusal(client(), *chunks)
        assert error.code == code
        assert error.response is not None
        assert error.response.body == body
        assert error.response.status == int(status[:3])


def test_a_body_is_kept_up_to_a_bound() -> None:
    wire = b"HTTP/1.1 500 Oops\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 100_000
    error = refusal(client(), wire)
    assert error.response is not None
    assert len(error.response.body) == MAX_BODY_BYTES


def test_a_chunked_body_is_read() -> None:
    wire = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for chunks in cuts(wire):
        error = refusal(client(), *chunks)
        assert error.response is not None
        assert error.response.body == b"abc"


@pytest.mark.parametrize("body", [b"3\r\nabcdef", b"zz\r\n", b"3\r\nab"])
def test_a_broken_body_does_not_hide_the_status(body: bytes) -> None:
    wire = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    error = refusal(client(), wire)
    assert error.code == "http-status"
    assert error.response is not None
    assert error.response.status == 403


@pytest.mark.parametrize("body", [b"", b"part of it"])
def test_giving_up_on_a_body_tells_the_status(body: bytes) -> None:
    handshake = client()
    assert handshake.receive(b"HTTP/1.1 502 Bad\r\nContent-Length: 999\r\n\r\n" + body) is None
    assert handshake.response is not None
    with pytest.raises(HandshakeError, match="502 Bad instead of 101"):
        handshake.receive_eof()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"", "closed-early"),
        (b"HTTP/1.1 10", "closed-early"),
        (b"HTTP/1.1 101 S\r\nUpgrade: websoc", "closed-early"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not-http"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "not-http"),
        (b"\r\nHTTP/1.1 101 S\r\n\r\n", "not-http"),
        (b"220 smtp ready\r\n", "not-http"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "bad-response"),
        (b"HTTP/1.1 9999 OK\r\n\r\n", "bad-response"),
        (b"HTTP/11 101 OK\r\n\r\n", "bad-response"),
        (b"HTTP/1.1\r\n\r\n", "bad-response"),
        (b"HTTP/1.1 101 S\r\nno colon\r\n\r\n", "bad-upgrade"),
        (b"HTTP/1.1 101 S\r\n leading: fold\r\n\r\n", "bad-upgrade"),
        (b"HTTP/1.1 101 S\r\nX: a\x00b\r\n\r\n", "bad-response"),
        (b"HTTP/1.1 101 S\r\nX: a\rb\r\n\r\n", "bad-response"),
        (b"HTTP/1.1 404 S\r\nContent-Length: Infinity\r\n\r\n", "http-status"),
        (b"HTTP/1.1 404 S\r\nContent-Length: -1\r\n\r\n", "http-status"),
    ],
)
def test_answers_that_are_not_one(wire: bytes, code: str) -> None:
    for chunks in cuts(wire):
        assert refusal(client(), *chunks).code == code


def test_a_folded_header_is_unfolded() -> None:
    """Obsolete line folding is still to be read, as one blank (RFC 9112, 5.2)."""
    accepted = client().receive(answer()[:-2] + b"X-Long: one\r\n  two\r\n\r\n")
    assert accepted is not None
    assert accepted.response.headers[-1] == ("X-Long", "one two")


def test_escape_sequences_are_delivered_as_they_are_for_the_renderer_to_escape() -> None:
    accepted = client().receive(answer(X_Evil="\x1b[31mred\x07"))
    assert accepted is not None
    assert accepted.response.header("x-evil") == "\x1b[31mred\x07"


BOMBS: list[Callable[[int], bytes]] = [
    lambda at: b"X: y\r\n",
    lambda at: b"X-%d: %s\r\n" % (at, b"y" * 200),
    lambda at: b"y" * 100,
    lambda at: b" " * 100,
    lambda at: b"\r\n " if at else b"X: y",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_endless_headers_end(bomb: Callable[[int], bytes]) -> None:
    handshake = client()
    handshake.receive(b"HTTP/1.1 101 S\r\nX: ")
    error = refusal(handshake, *(bomb(at) for at in range(100_000)))
    assert error.code == "headers-too-large"


def test_ten_thousand_headers_are_too_many() -> None:
    wire = answer()[:-2] + b"".join(b"X-%d: y\r\n" % at for at in range(10_000)) + b"\r\n"
    assert refusal(client(), wire).code == "headers-too-large"
    assert refusal(client(), *(wire[at : at + 1000] for at in range(0, len(wire), 1000)))
    few = answer()[:-2] + b"X: y\r\n" * 500 + b"\r\n"
    assert "503 headers" in refusal(client(), few).message


def test_endless_interim_answers_end() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    count = 65536 // len(hint) + 1
    for step in (len(hint), 1000, 100_000):
        wire = hint * count
        refused = refusal(client(), *(wire[at : at + step] for at in range(0, len(wire), step)))
        assert refused.code == "endless-interim"
        assert f"({count} of them, the last 103 Early Hints)" in refused.message
    huge = hint + b"HTTP/1.1 503 S\r\nX: " + b"y" * 70_000
    assert refusal(client(), huge).code == "headers-too-large"


def test_what_has_begun_behind_interim_answers_is_the_final_one_once_its_status_says_so() -> None:
    handshake = client()
    handshake.receive(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 10")
    assert handshake.begun == b""
    handshake.receive(b"3 Early Hints\r\n\r\nHTTP/1.1 5")
    assert handshake.begun == b"HTTP/1.1 5"
    assert str(handshake.interim) == "2 of them, the last 103 Early Hints"


@pytest.mark.parametrize("bad", [b"\x00", b"\x0b", b"\x0c", b"\r"])
def test_blanks_before_a_forbidden_byte_cost_no_quadratic_time(bad: bytes) -> None:
    """h11's pattern would take half a minute over this one."""
    wire = b"HTTP/1.1 101 S\r\nX:" + b" " * 60_000 + bad + b"x\r\n\r\n"
    assert refusal(client(), wire).code == "bad-response"


@pytest.mark.parametrize("value", ["Bearer hunter2\n", "Bearer hunter2\r\nX: y", "hunter2\x00"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(value: str) -> None:
    handshake = ClientHandshake("a.test", "/", headers=[("Authorization", value)])
    with pytest.raises(LocalProtocolError, match="the value of Authorization") as refused:
        handshake.request()
    assert "hunter2" not in str(refused.value)
