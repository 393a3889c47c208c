from __future__ import annotations

import errno

import pytest

from wsdiag.transport.stream.ends import TRANSITIONS, StreamState, StreamStep, end_of, end_of_input
from wsdiag.transport.stream.stamps import now


def test_every_state_leads_to_closed_and_none_leads_back() -> None:
    order = list(StreamState)
    for (state, _), reached in TRANSITIONS.items():
        assert order.index(reached) > order.index(state)
    for state in order[:-1]:
        assert TRANSITIONS[state, StreamStep.CUT] is StreamState.CLOSED
    assert not any(state is StreamState.CLOSED for state, _ in TRANSITIONS)


@pytest.mark.parametrize(
    ("error", "how"),
    [
        (ConnectionResetError(errno.ECONNRESET, ""), "rst"),
        (BrokenPipeError(errno.EPIPE, ""), "rst"),
        (OSError(errno.ETIMEDOUT, ""), "timeout"),
        (OSError(errno.EHOSTUNREACH, ""), "timeout"),
        (OSError(errno.ENOBUFS, ""), "error"),
    ],
)
def test_what_an_error_says_about_the_end(error: OSError, how: str) -> None:
    assert end_of(error).how == how


def test_an_end_without_close_notify_is_no_fin_under_tls() -> None:
    assert end_of_input(now(), tls=False).how == "fin"
    assert end_of_input(now(), tls=True).how == "tls-eof"
