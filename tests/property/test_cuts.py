"""However a stream is cut into reads, valid or not, it gives the same events and answers."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property.streams import cut, mutated, receiver, valid_streams
from wsdiag.protocol.codes import Role
from wsdiag.protocol.events import Violation

CALM = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
both = pytest.mark.parametrize(
    ("peer", "deflate"), [(role, deflate) for role in Role for deflate in (False, True)]
)


def settle(peer: Role, deflate: bool, chunks: list[bytes]) -> tuple[object, ...]:
    """All that can be seen of a connection that got these reads."""
    connection = receiver(peer, deflate)
    connection.auto_pong = False
    events = [event for chunk in chunks for event in connection.receive_data(chunk)]
    connection.data_to_send()
    events += connection.receive_eof()
    return events, connection.close_sent, connection.close_received, connection.state


@both
@CALM
@given(data=st.data())
def test_any_cut_of_a_valid_stream_gives_the_same_events(
    peer: Role, deflate: bool, data: st.DataObject
) -> None:
    wire = data.draw(valid_streams(peer, deflate))
    whole = settle(peer, deflate, [wire])
    assert not any(isinstance(event, Violation) for event in whole[0])  # type: ignore[attr-defined]
    assert settle(peer, deflate, data.draw(cut(wire))) == whole


@both
@CALM
@given(data=st.data())
def test_any_cut_of_a_broken_stream_gives_the_same_events(
    peer: Role, deflate: bool, data: st.DataObject
) -> None:
    wire = data.draw(mutated(data.draw(valid_streams(peer, deflate))))
    whole = settle(peer, deflate, [wire])
    assert settle(peer, deflate, data.draw(cut(wire))) == whole


def test_which_error_is_told_does_not_depend_on_the_cut() -> None:
    wire = b"\xc1\x072008\x00\x00\x82\x00"  # no UTF-8 from byte 3 on, no DEFLATE after that
    whole = settle(Role.SERVER, True, [wire])
    assert "DEFLATE" in str(whole)
    assert settle(Role.SERVER, True, [bytes([byte]) for byte in wire]) == whole
