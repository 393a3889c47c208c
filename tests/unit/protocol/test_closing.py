"""Close payloads (RFC 6455, 5.5.1) and the table of states."""

import pytest

from wsdiag.protocol.closing import TRANSITIONS, Step, cut_reason, decode_close, encode_close
from wsdiag.protocol.codes import State
from wsdiag.protocol.errors import LocalProtocolError, ProtocolViolation


@pytest.mark.parametrize(
    ("code", "reason", "payload"),
    [
        (None, "", b""),
        (1005, "", b""),
        (1000, "", b"\x03\xe8"),
        (1001, "bye", b"\x03\xe9bye"),
        (4999, "€", b"\x13\x87\xe2\x82\xac"),
    ],
)
def test_payloads_both_ways(code: int | None, reason: str, payload: bytes) -> None:
    assert encode_close(code, reason) == payload
    assert decode_close(payload) == (None if code == 1005 else code, reason)


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000])
def test_forbidden_codes_are_neither_sent_nor_taken(code: int) -> None:
    with pytest.raises(LocalProtocolError):
        encode_close(code)
    with pytest.raises(ProtocolViolation) as caught:
        decode_close(code.to_bytes(2, "big"))
    assert (caught.value.code, caught.value.section) == (1002, "RFC 6455, 7.4")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (b"bad \xff end", "the reason of Close 4000 is not valid UTF-8: 'bad \ufffd end'"),
        ("é".encode() * 61 + b"\xc3", "it ends in the middle of a character"),
    ],
)
def test_a_reason_that_is_not_utf8_is_shown_all_the_same(reason: bytes, said: str) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        decode_close((4000).to_bytes(2, "big") + reason)
    assert (caught.value.code, caught.value.section) == (1007, "RFC 6455, 5.5.1")
    assert said in caught.value.message


def test_1005_on_the_wire_is_refused() -> None:
    with pytest.raises(ProtocolViolation):
        decode_close((1005).to_bytes(2, "big"))


def test_a_reason_without_a_code_cannot_be_written() -> None:
    with pytest.raises(LocalProtocolError):
        encode_close(None, "why")


@pytest.mark.parametrize("filler", [0, 1, 2, 3])
@pytest.mark.parametrize("char", ["é", "€", "𐍈"])
def test_a_reason_is_never_cut_inside_a_code_point(char: str, filler: int) -> None:
    reason = "x" * filler + char * 124
    data = cut_reason(reason)
    assert 119 < len(data) <= 123
    assert reason.startswith(data.decode())


def test_a_reason_with_a_lone_surrogate_is_still_utf8() -> None:
    assert cut_reason("\ud800") == b"?"


def test_the_table_never_leaves_closed_and_covers_every_open_step() -> None:
    after_closed = {after for (before, _), after in TRANSITIONS.items() if before is State.CLOSED}
    assert after_closed == {State.CLOSED}
    for state in (State.OPEN, State.CLOSING):
        assert {step for before, step in TRANSITIONS if before is state} == set(Step)
