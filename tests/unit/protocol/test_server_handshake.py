"""The server's half: what it takes, and that every refusal is a whole HTTP answer."""

import pytest

from tests.unit.protocol.wire import cuts
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Role
from wsdiag.protocol.deflate import DeflateOffer
from wsdiag.protocol.errors import HandshakeError, LocalProtocolError
from wsdiag.protocol.http import Request
from wsdiag.protocol.server_handshake import ServerHandshake

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
GOOD = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": KEY,
    "Sec-WebSocket-Version": "13",
}


def request(line: str = "GET /a/b?c=d?e HTTP/1.1", **changes: str | None) -> bytes:
    """A good request with headers changed, added or (None) removed; `_` stands for `-`."""
    headers: dict[str, str | None] = dict(GOOD)
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([line, *lines, "", ""]).encode("latin-1")


def receive(handshake: ServerHandshake, chunks: list[bytes]) -> Request:
    """The one request in these chunks."""
    results = [handshake.receive(chunk) for chunk in chunks]
    found = [result for result in results if result is not None]
    assert len(found) == 1
    return found[0]


def refused(wire: bytes) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        ServerHandshake().receive(wire)
    return caught.value


def test_a_good_request_however_cut() -> None:
    for chunks in cuts(request(Sec_WebSocket_Protocol="x, y")):
        found = receive(ServerHandshake(), chunks)
        assert found.is_upgrade
        assert (found.target, found.path, found.query) == ("/a/b?c=d?e", "/a/b", "c=d?e")
        assert found.key == KEY
        assert found.offered_subprotocols == ["x", "y"]
        assert found.header("HOST") == "localhost"
        assert found.header("x-none") is None


def test_accepting() -> None:
    handshake = ServerHandshake(subprotocols=["y", "x"])
    found = receive(handshake, [request(Sec_WebSocket_Protocol="x, y")])
    head, deflate = handshake.accept(found, headers=[("Server", "wsdiag")])
    assert deflate is None
    assert head.decode().split("\r\n") == [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: y",
        "Server: wsdiag",
        "",
        "",
    ]


def test_faults_can_be_asked_for() -> None:
    handshake = ServerHandshake()
    found = receive(handshake, [request()])
    head, _ = handshake.accept(
        found, subprotocol="unasked", accept_key="wrong", headers=[("Upgrade", "h2c")]
    )
    assert b"Sec-WebSocket-Accept: wrong\r\n" in head
    assert b"Sec-WebSocket-Protocol: unasked\r\n" in head
    assert head.count(b"Upgrade: ") == 1
    assert b"Upgrade: h2c\r\n" in head


@pytest.mark.parametrize(("wish", "expected"), [(True, True), (False, False)])
def test_deflate_is_taken_when_offered_and_wanted(wish: bool, expected: bool) -> None:
    handshake = ServerHandshake()
    found = receive(handshake, [request(Sec_WebSocket_Extensions="permessage-deflate")])
    head, deflate = handshake.accept(found, deflate=wish)
    assert (b"Sec-WebSocket-Extensions: permessage-deflate\r\n" in head) is expected
    assert (deflate is not None) is expected
    if deflate is not None:
        assert deflate.role is Role.SERVER


def test_both_halves_agree() -> None:
    offer = DeflateOffer(server_max_window_bits=9)
    client = ClientHandshake("h", "/", subprotocols=["a", "b"], deflate_offer=offer)
    server = ServerHandshake(subprotocols=["b"])
    found = receive(server, [client.request()])
    head, ours = server.accept(found, deflate=DeflateOffer(client_max_window_bits=10))
    accepted = client.receive(head + b"\x89\x00")
    assert accepted is not None
    assert accepted.subprotocol == "b"
    assert accepted.trailing == b"\x89\x00"
    theirs = accepted.deflate
    assert ours is not None
    assert theirs is not None
    for name in ("server_max_window_bits", "client_max_window_bits"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert (ours.server_max_window_bits, ours.client_max_window_bits) == (9, 10)


def test_bytes_behind_the_request_are_kept() -> None:
    handshake = ServerHandshake()
    assert handshake.receive(request() + b"\x81\x80\x00\x00\x00\x00") is not None
    assert handshake.trailing == b"\x81\x80\x00\x00\x00\x00"


def test_a_browsers_get_is_a_request_without_upgrade() -> None:
    found = receive(ServerHandshake(), [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
    assert not found.is_upgrade
    assert found.method == "GET"
    with pytest.raises(LocalProtocolError):
        ServerHandshake().accept(found)


def test_a_list_of_connection_tokens_is_good() -> None:
    found = receive(ServerHandshake(), [request(Connection="keep-alive, UPGRADE")])
    assert found.is_upgrade


WRONG: list[tuple[bytes, str, int]] = [
    (request("POST / HTTP/1.1"), "bad-request", 405),
    (request("GET / HTTP/1.0"), "bad-request", 505),
    (request(Upgrade=None), "upgrade-stripped", 426),
    (request(Upgrade="h2c"), "upgrade-stripped", 426),
    (request(Connection=None), "bad-connection", 426),
    (request(Connection="close"), "bad-connection", 426),
    (request(Sec_WebSocket_Version="8"), "bad-version", 426),
    (request(Sec_WebSocket_Version=None), "bad-version", 426),
    (request(Sec_WebSocket_Key=None), "bad-request", 400),
    (request(Sec_WebSocket_Key="short"), "bad-request", 400),
    (request(Sec_WebSocket_Key="AAAA"), "bad-request", 400),
    (request(Sec_WebSocket_Key="é" * 24), "bad-request", 400),
    (request(sec_websocket_key=KEY), "bad-request", 400),
    (request(Sec_WebSocket_Protocol="a b"), "bad-request", 400),
    (request(Sec_WebSocket_Extensions="a;;b"), "bad-request", 400),
    (request(Host=None), "bad-request", 400),
    (request(X="a\x00b"), "bad-request", 400),
    (request(Content_Length="Infinity"), "bad-request", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "bad-request", 400),
    (b"hello\r\n\r\n", "bad-request", 400),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "bad-request", 400),
    (request()[:-2] + b"X: y\r\n" * 300 + b"\r\n", "headers-too-large", 431),
    (request()[:-2] + b"X: " + b"y" * 70_000, "headers-too-large", 431),
]


@pytest.mark.parametrize(("wire", "code", "status"), WRONG)
def test_every_fault_has_its_code_and_a_whole_answer(wire: bytes, code: str, status: int) -> None:
    error = refused(wire)
    assert error.code == code
    head, _, body = error.reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert b"\r\nConnection: close" in head


def test_a_wrong_version_is_told_the_right_one() -> None:
    error = refused(request(Sec_WebSocket_Version="8"))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in error.reply


def test_a_client_that_leaves_early() -> None:
    with pytest.raises(HandshakeError) as caught:
        ServerHandshake().receive_eof()
    assert caught.value.code == "closed-early"


def test_rejecting() -> None:
    answer = ServerHandshake().reject(503, [("Retry-After", "5")], b"full")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\nfull")
    assert ServerHandshake().reject(599).startswith(b"HTTP/1.1 599 ")


@pytest.mark.parametrize("bad", [b"\x00", b"\x0b", b"\x0c", b"\r"])
def test_blanks_before_a_forbidden_byte_cost_no_quadratic_time(bad: bytes) -> None:
    wire = b"GET / HTTP/1.1\r\nHost: h\r\nX:" + b" " * 60_000 + bad + b"x\r\n\r\n"
    assert refused(wire).code == "bad-request"
