"""Rations: what a client sees that sends too much, and one that does not."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.integration.server.serving import serving

# The bucket is as deep as a second's worth: who stays below may take any time for it.
FEW = 5


def test_more_than_the_rate_is_closed_with_the_code_asked_for() -> None:
    with serving() as server, connect(server.url + f"/rate-limit/{FEW}?code=4008") as client:
        for number in range(FEW):
            client.send(str(number))
            assert client.recv(10) == str(number)
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(10_000):
                client.send("more")
                client.recv(10)
        assert caught.value.rcvd is not None
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4008, "rate limit exceeded")


def test_pings_are_counted_only_where_asked_for() -> None:
    with serving() as server:
        with connect(server.url + f"/rate-limit/{FEW}") as client:
            for number in range(20 * FEW):
                assert client.ping(str(number)).wait(10)
        with connect(server.url + f"/rate-limit/{FEW}?of=pings") as client:
            client.send("messages are free here")
            assert client.recv(10)
            with pytest.raises(ConnectionClosed):
                for _ in range(10_000):
                    client.ping().wait(10)
                    client.send("x")


def test_as_an_option_it_holds_for_every_path() -> None:
    from wsdiag.server.routes import from_spec

    limit = from_spec(f"rate-limit/{FEW}")
    with serving(faults=(limit,)) as server, connect(server.url + "/echo") as client:
        with pytest.raises(ConnectionClosed) as caught:
            for _ in range(10_000):
                client.send("x")
                client.recv(10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008
