"""A reply is a value that faults change, and is rendered once."""

from __future__ import annotations

from wsdiag.server.reply import Reply


def test_a_header_is_replaced_added_or_left_out_whatever_its_case() -> None:
    reply = Reply(101, [("Upgrade", "websocket"), ("Connection", "Upgrade")])
    reply.set_header("UPGRADE", "h2c")
    reply.set_header("Connection", None)
    reply.set_header("X-New", "1")
    assert reply.header("upgrade") == "h2c"
    assert reply.header("Connection") is None
    assert reply.render() == (
        b"HTTP/1.1 101 Switching Protocols\r\nUPGRADE: h2c\r\nX-New: 1\r\n\r\n"
    )


def test_a_refusal_says_its_length_and_that_it_ends_the_connection() -> None:
    head, _, body = Reply(503, [("Retry-After", "5")], b"full\n").render().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    for line in (b"Content-Length: 5", b"Connection: close", b"Retry-After: 5"):
        assert line in head.split(b"\r\n")
    assert body == b"full\n"


def test_own_headers_take_precedence() -> None:
    reply = Reply.json(200, {"a": 1}).render()
    assert reply.count(b"Content-Type: ") == 1
    assert b"Content-Type: application/json\r\n" in reply


def test_without_a_status_the_body_is_all() -> None:
    assert Reply(None, body=b"220 mail.example.test\r\n").render() == b"220 mail.example.test\r\n"
