"""The stream against sockets that do exactly what a test says, plain and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.integration.waiting import until
from tests.peers.certs import Authority
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, round_trip_ns
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import do_handshake
from wsdiag.transport.stream.timestamping import TxTimestamps
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.trust import client_context

BOUND_S = 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel timestamps are Linux's")


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.data = b""
        self.stamps: list[Arrival] = []
        self.end: StreamEnd | None = None
        self.emptied = 0
        self._changed = asyncio.Event()

    def data_received(self, data: bytes, at: Arrival) -> None:
        self.data += data
        self.stamps.append(at)
        self._changed.set()

    def stream_ended(self, end: StreamEnd) -> None:
        assert self.end is None, "an end is told once"
        self.end = end
        self._changed.set()

    def writable(self) -> None:
        self.emptied += 1
        self._changed.set()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND_S):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def ended(self) -> StreamEnd:
        await self.until(lambda: self.end is not None)
        assert self.end is not None
        return self.end


class Pair:
    """A stream under test, its sink, and the plain socket at the other end."""

    def __init__(self, stream: Stream, peer: socket.socket) -> None:
        self.stream, self.peer, self.sink = stream, peer, Recorder()
        stream.start(self.sink)

    async def peer_receives(self, count: int) -> bytes:
        loop, got = asyncio.get_running_loop(), b""
        async with asyncio.timeout(BOUND_S):
            while len(got) < count and (data := await loop.sock_recv(self.peer, 1 << 16)):
                got += data
        return got


async def connected(
    host: str = "127.0.0.1", *, small: bool = False, timestamps: bool = False
) -> tuple[Stream, socket.socket]:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        if small:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind((host, 0))
        listener.listen()
        listener.setblocking(False)
        client = socket.socket(family)
        client.setblocking(False)
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(client, listener.getsockname()[:2])
        peer, _ = await loop.sock_accept(listener)
    peer.setblocking(False)
    return Stream(client, timestamps=timestamps), peer


def run(
    scenario: Callable[[Pair], Awaitable[None]],
    host: str = "127.0.0.1",
    *,
    small: bool = False,
    timestamps: bool = False,
) -> None:
    async def main() -> None:
        stream, peer = await connected(host, small=small, timestamps=timestamps)
        try:
            await scenario(Pair(stream, peer))
        finally:
            stream.reset()
            peer.close()

    asyncio.run(main())


def send_rst(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# -- ends --------------------------------------------------------------------------------------


def test_fin_leaves_our_side_open() -> None:
    async def scenario(pair: Pair) -> None:
        pair.peer.sendall(b"last words")
        pair.peer.shutdown(socket.SHUT_WR)
        assert (await pair.sink.ended()).how == "fin"
        assert pair.sink.data == b"last words"
        pair.stream.write(b"still here")
        assert await pair.peer_receives(10) == b"still here"
        assert pair.stream._send_buffer.failure is None

    run(scenario)


def test_rst_is_told_from_fin() -> None:
    async def scenario(pair: Pair) -> None:
        send_rst(pair.peer)
        assert (await pair.sink.ended()).how == "rst"

    run(scenario)


def test_rst_after_fin_shows_on_writing() -> None:
    async def scenario(pair: Pair) -> None:
        pair.peer.close()
        assert (await pair.sink.ended()).how == "fin"
        pair.stream.write(b"is anybody there?")

        def refused() -> bool:
            pair.stream.write(b"?")
            return pair.stream._send_buffer.failure is not None

        await until(refused)
        assert pair.stream._send_buffer.failure is not None
        assert pair.stream._send_buffer.failure.how == "rst"
        assert pair.stream.unsent == 0

    run(scenario)


def test_data_before_an_rst_is_not_lost_to_a_failed_write() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.pause_reading()
        pair.peer.sendall(b"the reason")
        await asyncio.sleep(0.05)
        send_rst(pair.peer)

        def failed() -> bool:
            pair.stream.write(b"x")
            return pair.stream._send_buffer.failure is not None

        await until(failed)
        pair.stream.resume_reading()
        end = await pair.sink.ended()
        assert pair.sink.data == b"the reason"
        assert end.how == "rst"
        assert "write" in end.detail

    run(scenario)


def test_a_fin_that_was_not_read_yet_stays_the_end_whatever_writing_meets() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.pause_reading()
        pair.peer.sendall(b"half a fra")
        pair.peer.close()
        await asyncio.sleep(0.05)

        def refused() -> bool:  # the peer's kernel answers with RST
            pair.stream.write(b"x")
            return pair.stream._send_buffer.failure is not None

        await until(refused)
        pair.stream.resume_reading()
        assert (await pair.sink.ended()).how == "fin"
        assert pair.sink.data == b"half a fra"

    run(scenario)


def test_closing_sends_what_is_queued_first() -> None:
    async def scenario(pair: Pair) -> None:
        payload = bytes(range(256)) * 4000
        pair.stream.write(payload)
        assert pair.stream.unsent > 0
        pair.stream.close()
        assert await pair.peer_receives(len(payload) + 1) == payload
        assert (await pair.sink.ended()).how == "local"
        await until(lambda: pair.stream._sock.fileno() < 0)

    run(scenario, small=True)


def test_closing_ends_by_fin_although_bytes_were_never_read() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.pause_reading()
        pair.peer.sendall(b"nobody reads this" * 1000)
        await asyncio.sleep(0.05)
        pair.stream.write(b"bye")
        pair.stream.close()
        assert await pair.peer_receives(3) == b"bye"
        assert await pair.peer_receives(1) == b"", "FIN, not RST"

    run(scenario)


def test_reset_sends_rst_and_drops_the_queue() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.write(bytes(1 << 20))
        pair.stream.reset()
        with pytest.raises(ConnectionResetError):
            await pair.peer_receives(1 << 21)
        assert (await pair.sink.ended()).how == "local"

    run(scenario, small=True)


def test_half_close_keeps_reading() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.write(b"that is all")
        pair.stream.half_close()
        pair.stream.write(b" or is it?")
        assert await pair.peer_receives(100) == b"that is all"
        pair.peer.sendall(b"thanks")
        await pair.sink.until(lambda: pair.sink.data == b"thanks")
        pair.peer.close()
        assert (await pair.sink.ended()).how == "fin"

    run(scenario)


def test_a_frozen_stream_neither_reads_nor_writes_nor_closes() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.freeze()
        pair.stream.write(b"nothing of this")
        pair.peer.sendall(b"hello?")
        await asyncio.sleep(0.1)
        assert pair.sink.data == b""
        with pytest.raises(BlockingIOError):
            pair.peer.recv(1)

    run(scenario)


# -- flow --------------------------------------------------------------------------------------


def test_a_paused_stream_leaves_bytes_with_the_kernel() -> None:
    async def scenario(pair: Pair) -> None:
        pair.stream.pause_reading()
        pair.peer.sendall(b"wait")
        await asyncio.sleep(0.05)
        assert pair.sink.data == b""
        pair.stream.resume_reading()
        await pair.sink.until(lambda: pair.sink.data == b"wait")

    run(scenario)


def test_what_the_kernel_does_not_take_is_queued_and_reported() -> None:
    async def scenario(pair: Pair) -> None:
        payload = bytes(range(256)) * 4000
        for at in range(0, len(payload), 1000):
            pair.stream.write(payload[at : at + 1000])
        assert pair.stream.unsent > 0
        assert pair.stream.acknowledged() is False
        assert await pair.peer_receives(len(payload)) == payload
        await pair.sink.until(lambda: pair.sink.emptied > 0)
        assert pair.stream.unsent == 0
        assert pair.stream.bytes_out == len(payload)

    run(scenario, small=True)


@linux
def test_acknowledged_is_told_of_each_write() -> None:
    async def scenario(pair: Pair) -> None:
        first = pair.stream.write(b"x")
        await until(lambda: pair.stream.acknowledged(first) is True)
        last = first
        while not pair.stream.unsent:  # until the peer, which reads nothing, takes no more
            last = pair.stream.write(bytes(10_000))
        assert pair.stream.acknowledged() is False
        assert pair.stream.acknowledged(last) is False
        assert pair.stream.acknowledged(first) is True

    run(scenario, small=True)


@linux
def test_acknowledged_once_the_peers_tcp_has_all() -> None:
    async def scenario(pair: Pair) -> None:
        assert pair.stream.acknowledged() is True
        pair.stream.write(b"x")
        await until(lambda: pair.stream.acknowledged() is True)
        info = pair.stream.tcp_info()
        assert info is not None
        assert info.unacked == 0
        assert info.bytes_acked is not None
        assert info.bytes_acked >= 1

    run(scenario)


def test_keepalive_is_off_until_asked_for() -> None:
    async def scenario(pair: Pair) -> None:
        sock = pair.stream._sock
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0
        pair.stream.set_keepalive(7.2)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
            assert sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == 7
        pair.stream.set_keepalive(None)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0

    run(scenario)


# -- kernel timestamps -------------------------------------------------------------------------


@linux
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_kernel_stamps_lie_inside_what_user_space_saw(host: str) -> None:
    async def scenario(pair: Pair) -> None:
        assert pair.stream.kernel_stamps
        kernel = 0
        for number in range(500):
            mark = pair.stream.write(b"ping")
            assert await pair.peer_receives(4) == b"ping"
            pair.peer.sendall(b"pong")
            await pair.sink.until(lambda n=number: len(pair.sink.stamps) > n)
            at = pair.sink.stamps[number]
            if at.kernel_ns is None or mark.tx_kernel_ns is None:
                # The kernel turns stamping on some moments after it was asked to; and a process
                # that was kept from the CPU between two clocks believes neither.
                assert round_trip_ns(mark, at)[1] == "user"
                continue
            await until(lambda m=mark: m.ack_kernel_ns is not None)
            assert mark.mono_ns < mark.tx_kernel_ns < at.kernel_ns < at.mono_ns
            taken, clock = round_trip_ns(mark, at)
            assert clock == "kernel"
            assert 0 < taken < at.mono_ns - mark.mono_ns
            kernel += 1
            if kernel == 20:
                return
        pytest.fail(f"only {kernel} of 500 round trips were stamped by the kernel")

    run(scenario, host, timestamps=True)


@linux
def test_a_mark_behind_a_full_queue_gets_the_departure_of_its_own_last_byte() -> None:
    async def scenario(pair: Pair) -> None:
        first = pair.stream.write(bytes(1 << 19))
        second = pair.stream.write(b"behind it")
        assert first.tx_kernel_ns is None
        queued_ns = second.mono_ns
        await asyncio.sleep(0.1)
        assert len(await pair.peer_receives((1 << 19) + 9)) == (1 << 19) + 9
        await until(lambda: second.ack_kernel_ns is not None)
        assert first.tx_kernel_ns is not None
        assert second.tx_kernel_ns is not None
        # it left when the peer had begun to read, not when it was written
        assert second.tx_kernel_ns - queued_ns > 50_000_000
        assert first.tx_kernel_ns <= second.tx_kernel_ns <= second.ack_kernel_ns

    run(scenario, small=True, timestamps=True)


@linux
def test_reports_nobody_waits_for_do_not_spin_the_loop() -> None:
    async def scenario(pair: Pair) -> None:
        wakes = 0
        receive = TxTimestamps.receive

        def counting(departures: TxTimestamps, size: int) -> tuple[bytes, Arrival]:
            nonlocal wakes
            wakes += 1
            return receive(departures, size)

        TxTimestamps.receive = counting  # type: ignore[method-assign]
        try:
            for _ in range(10):
                pair.stream.write(b"x")
            assert pair.stream._tx_timestamps is not None
            pair.stream._tx_timestamps._sent.clear()
            pair.stream._tx_timestamps._acked.clear()
            await asyncio.sleep(0.2)
        finally:
            TxTimestamps.receive = receive  # type: ignore[method-assign]
        assert wakes <= 30

    run(scenario, timestamps=True)


def test_unstamped_writes_are_not_marked() -> None:
    async def scenario(pair: Pair) -> None:
        mark = pair.stream.write(b"x", stamp=False)
        await pair.peer_receives(1)
        await asyncio.sleep(0.05)
        assert mark.tx_kernel_ns is None

    run(scenario, timestamps=True)


def test_unix_sockets_use_the_user_clock(tmp_path: Path) -> None:
    async def main() -> None:
        ours, peer = socket.socketpair()
        stream = Stream(ours, timestamps=True)
        sink = Recorder()
        stream.start(sink)
        mark = stream.write(b"ping")
        assert peer.recv(4) == b"ping"
        peer.sendall(b"pong")
        await sink.until(lambda: bool(sink.stamps))
        assert not stream.kernel_stamps
        assert round_trip_ns(mark, sink.stamps[0])[1] == "user"
        assert stream.tcp_info() is None
        peer.close()
        assert (await sink.ended()).how == "fin"
        stream.close()

    asyncio.run(main())


# -- TLS ---------------------------------------------------------------------------------------


class TlsPeer:
    """A server's end of TLS on a blocking socket, for a thread."""

    def __init__(self, sock: socket.socket, ca: Authority) -> None:
        made = ca.cert()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.cert, made.key)
        sock.setblocking(True)
        sock.settimeout(BOUND_S)
        self.tls = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)


def run_tls(ca: Authority, scenario: Callable[[Pair, TlsPeer], Awaitable[None]]) -> None:
    async def main() -> None:
        stream, sock = await connected(timestamps=True)
        peer = TlsPeer(sock, ca)
        context = client_context(DialOptions(cacert=ca.pem))
        try:
            accepted = asyncio.create_task(asyncio.to_thread(peer.tls.do_handshake))
            layer = TlsLayer(context, server_hostname="localhost")
            await do_handshake(stream, layer, ssl.SSLObject.version)
            await accepted
            pair = Pair(stream, peer.tls)
            stream.resume_reading()
            await scenario(pair, peer)
        finally:
            stream.reset()
            peer.tls.close()

    asyncio.run(main())


def test_tls_carries_bytes_and_stamps_both_ways(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        mark = pair.stream.write(b"ping" * 10_000)
        got = b""
        while len(got) < 40_000:
            got += await asyncio.to_thread(peer.tls.recv, 1 << 16)
        assert got == b"ping" * 10_000
        await asyncio.to_thread(peer.tls.sendall, b"pong")
        await pair.sink.until(lambda: pair.sink.data == b"pong")
        if sys.platform == "linux":
            assert round_trip_ns(mark, pair.sink.stamps[0])[1] == "kernel"

    run_tls(ca, scenario)


def test_close_notify_is_told_from_a_cut(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        await asyncio.to_thread(peer.tls.sendall, b"bye")
        unwrapping = asyncio.create_task(asyncio.to_thread(peer.tls.unwrap))
        assert (await pair.sink.ended()).how == "tls-close"
        assert pair.sink.data == b"bye"
        pair.stream.close()
        await unwrapping

    run_tls(ca, scenario)


def test_tcps_end_without_close_notify_is_a_cut(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        peer.tls.shutdown(socket.SHUT_WR)
        assert (await pair.sink.ended()).how == "tls-eof"

    run_tls(ca, scenario)


def test_rst_under_tls_is_rst(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        send_rst(peer.tls)
        assert (await pair.sink.ended()).how == "rst"

    run_tls(ca, scenario)


def test_garbage_in_the_middle_of_tls_is_an_error_by_name(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        raw = socket.socket(fileno=socket.dup(peer.tls.fileno()))
        with raw:
            raw.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        end = await pair.sink.ended()
        assert end.how == "tls-error"
        assert end.detail.startswith("TLS: ")

    run_tls(ca, scenario)


def test_what_came_before_garbage_is_not_lost_by_it(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        pair.stream.pause_reading()
        await asyncio.to_thread(peer.tls.sendall, b"bye")
        with socket.socket(fileno=socket.dup(peer.tls.fileno())) as raw:
            raw.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        pair.stream.resume_reading()
        assert (await pair.sink.ended()).how == "tls-error"
        assert pair.sink.data == b"bye"

    run_tls(ca, scenario)


def test_half_close_under_tls_says_goodbye_first(ca: Authority) -> None:
    async def scenario(pair: Pair, peer: TlsPeer) -> None:
        pair.stream.half_close()
        assert await asyncio.to_thread(peer.tls.recv, 10) == b""  # close_notify, not a cut

    run_tls(ca, scenario)
