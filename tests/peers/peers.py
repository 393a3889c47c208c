"""`Peers`: starts servers, proxies, networks and wsdiag itself, and ends all of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers import proxies, servers
from tests.peers.certs import Authority, Cert
from tests.peers.command import WSDIAG, Run, Running
from tests.peers.nat import Nat, OnUnknown
from tests.peers.peer import Address, Peer
from tests.peers.rabbitmq import RabbitMq, start_rabbitmq
from tests.peers.terminal import Terminal
from tests.peers.wan import Wan
from tests.peers.watched import LATENESS

LOOPBACK = "127.0.0.1"


class Peers:
    """Everything a test wants to talk to. `close()` ends it all, last started first."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._directory = directory
        self._authority = authority
        self._started = 0
        self._stack = contextlib.ExitStack()

    def close(self) -> None:
        """End whatever was started; every one gets its turn even when another's end fails."""
        self._stack.close()

    def _place(self, name: str) -> Path:
        self._started += 1
        place = self._directory / f"{self._started}-{name}"
        place.mkdir()
        return place

    def _cert(self, tls: bool, host: str) -> Cert | None:
        names = ("localhost", LOOPBACK, "::1") if host in (LOOPBACK, "::1") else (host,)
        return self._authority.cert(*names) if tls else None

    def _keep(self, peer: Peer) -> Peer:
        self._stack.callback(peer.stop)
        return peer

    def _python(
        self, program: str, args: Sequence[str], host: str, tls: bool, netns: str | None
    ) -> Peer:
        argv = servers.python_program(program, "--host", host, *args)
        argv += servers.tls_arguments(self._cert(tls, host))
        log = self._place(program) / "log"
        return self._keep(servers.start_announcing(argv, log, host=host, tls=tls, netns=netns))

    def websockets(
        self,
        *,
        tls: bool = False,
        host: str = LOOPBACK,
        netns: str | None = None,
        ping_interval_s: float | None = None,
        compression: bool = True,
        subprotocols: Sequence[str] = (),
        unix: str | None = None,
        max_queue: int = 16,
        block_every_s: float | None = None,
    ) -> Peer:
        """An echo server on `websockets`, with the further paths of `programs/websockets_echo.py`.

        `unix`: listens on this socket. `block_every_s`: its event loop stands still for 0.3 s then.
        """
        args = ["--ping-interval", str(ping_interval_s)] if ping_interval_s else []
        args += ["--unix", unix] if unix else []
        args += ["--max-queue", str(max_queue)]
        args += ["--block-every", str(block_every_s)] if block_every_s else []
        args += [] if compression else ["--no-compression"]
        for name in subprotocols:
            args += ["--subprotocol", name]
        return self._python("websockets_echo.py", args, host, tls, netns)

    def aiohttp(
        self,
        *,
        tls: bool = False,
        host: str = LOOPBACK,
        netns: str | None = None,
        heartbeat_s: float | None = None,
        pong_delay_ms: float = 0,
    ) -> Peer:
        """An echo server on aiohttp; Pongs can be held back by `pong_delay_ms`."""
        args = ["--heartbeat", str(heartbeat_s)] if heartbeat_s else []
        args += ["--pong-delay", str(pong_delay_ms / 1000)]
        return self._python("aiohttp_echo.py", args, host, tls, netns)

    def uvicorn(self, *, ws: str = "auto", netns: str | None = None) -> Peer:
        """An ASGI echo server on `uvicorn`, with this of its WebSocket implementations."""
        return self._python("uvicorn_echo.py", ["--ws", ws], LOOPBACK, False, netns)

    def chat_app(self, *, tls: bool = False) -> Peer:
        """An application with a token at its door and an answer to `ping`: that of docs/ci.md."""
        return self._python("chat_app.py", [], LOOPBACK, tls, None)

    def lenient(self, behaviour: str) -> Peer:
        """A server that receives badly on purpose; see `programs/lenient_server.py`."""
        return self._python("lenient_server.py", ["--behaviour", behaviour], LOOPBACK, False, None)

    def node_ws(self, *, tls: bool = False, host: str = LOOPBACK, netns: str | None = None) -> Peer:
        """An echo server on Node's `ws`."""
        log = self._place("node") / "log"
        cert = self._cert(tls, host)
        return self._keep(servers.start_node_ws(log, host=host, cert=cert, netns=netns))

    def socketio(self, ping_interval_ms: int, ping_timeout_ms: int, token: str = "") -> Peer:
        """Socket.IO's own server; with `token`, it refuses a CONNECT without it."""
        args = [str(ping_interval_ms), str(ping_timeout_ms), *([token] if token else [])]
        return self._node_program("socketio_server.js", *args, needs=["socket.io"])

    def python_socketio(self, ping_interval_s: float, ping_timeout_s: float) -> Peer:
        """The server of python-socketio."""
        args = ["--ping-interval", str(ping_interval_s), "--ping-timeout", str(ping_timeout_s)]
        return self._python("python_socketio_server.py", args, LOOPBACK, False, None)

    def graphql_ws(self, init_timeout_ms: int, keep_alive_ms: int, token: str = "") -> Peer:
        """The server of `graphql-ws`; with `token`, it refuses a connection_init without it."""
        args = [str(init_timeout_ms), str(keep_alive_ms), *([token] if token else [])]
        needs = ["graphql-ws", "graphql"]
        return self._node_program("graphql_ws_server.js", *args, needs=needs)

    def feed(self, library: str, *, pause_s: float = 1.5, lasts_s: float = 0.0) -> Peer:
        """A feed with every mishap on purpose, on one of five libraries (see `programs/feed.py`).

        `lasts_s`: after that a connection is cut; with `websockets` and `aiohttp` only.
        """
        if library in ("websockets", "aiohttp"):
            args = ["--library", library, "--pause", str(pause_s), "--lasts", str(lasts_s)]
            return self._python("feed.py", args, LOOPBACK, False, None)
        needs = {"ws": ["ws"], "socket.io": ["socket.io"], "graphql-ws": ["graphql-ws", "graphql"]}
        pause_ms = str(int(pause_s * 1000))
        return self._node_program("feed.js", library, pause_ms, needs=needs[library])

    def aedes(self, connect_timeout_ms: int) -> Peer:
        """The MQTT broker `aedes`, which cuts its packets over several messages."""
        return self._node_program("aedes_broker.js", str(connect_timeout_ms), needs=["aedes"])

    def _node_program(self, program: str, *args: str, needs: Sequence[str]) -> Peer:
        log = self._place("node") / "log"
        started = servers.start_node_program(log, program, *args, host=LOOPBACK, needs=needs)
        return self._keep(started)

    def mosquitto(self) -> Peer:
        """Eclipse Mosquitto with a listener for WebSockets."""
        return self._keep(proxies.start_mosquitto(self._place("mosquitto"), host=LOOPBACK))

    def rabbitmq(self) -> RabbitMq:
        """RabbitMQ, speaking STOMP and MQTT over WebSocket; it takes some ten seconds to start."""
        node = start_rabbitmq(self._place("rabbitmq"), host=LOOPBACK)
        self._stack.callback(node.stop)
        return node

    def http(
        self,
        status: int = 403,
        headers: Sequence[tuple[str, str]] = (),
        body: str = "",
        *,
        reason: str = "Whatever",
        raw: bytes | None = None,
    ) -> Peer:
        """Gives every request one fixed answer (`raw`: these bytes) and ends the connection."""
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        lines += [f"Content-Length: {len(body.encode())}", "", body]
        place = self._place("http")
        (place / "answer").write_bytes("\r\n".join(lines).encode() if raw is None else raw)
        argv = servers.python_program("fixed_answer.py", LOOPBACK, str(place / "answer"))
        return self._keep(servers.start_announcing(argv, place / "log", host=LOOPBACK, tls=False))

    def relay(self, upstream: Address, *, delay_ms: float = 0) -> Peer:
        """A TCP relay in user space, `delay_ms` each way (TCP's own round trip does not see it)."""
        argv = servers.python_program(
            "relay.py", LOOPBACK, upstream.host, str(upstream.port), str(delay_ms / 1000)
        )
        log = self._place("relay") / "log"
        return self._keep(servers.start_announcing(argv, log, host=LOOPBACK, tls=upstream.tls))

    def connect_proxy(self, *, host: str = LOOPBACK, netns: str | None = None) -> Peer:
        """An HTTP proxy for CONNECT."""
        argv = servers.python_program("connect_proxy.py", host)
        log = self._place("connect-proxy") / "log"
        started = servers.start_announcing(argv, log, host=host, tls=False, netns=netns)
        return self._keep(started)

    def nginx(
        self,
        upstream: Address,
        *,
        read_timeout_s: float = 60,
        send_timeout_s: float = 60,
        tls: bool = False,
        forward_upgrade: bool = True,
        host: str = LOOPBACK,
        netns: str | None = None,
    ) -> Peer:
        """nginx's http proxy in front of `upstream`."""
        return self._keep(
            proxies.start_nginx(
                self._place("nginx"),
                upstream.authority,
                host=host,
                cert=self._cert(tls, host),
                upstream_tls=upstream.tls,
                read_timeout_s=read_timeout_s,
                send_timeout_s=send_timeout_s,
                forward_upgrade=forward_upgrade,
                netns=netns,
            )
        )

    def nginx_stream(self, upstream: Address, *, timeout_s: float = 600) -> Peer:
        """nginx as a TCP proxy in front of `upstream`."""
        place = self._place("nginx-stream")
        return self._keep(
            proxies.start_nginx_stream(
                place, upstream.authority, host=LOOPBACK, timeout_s=timeout_s
            )
        )

    def haproxy(
        self,
        upstream: Address,
        *,
        tunnel_s: float | None = None,
        client_s: float = 50,
        server_s: float = 50,
        tls: bool = False,
        host: str = LOOPBACK,
        netns: str | None = None,
    ) -> Peer:
        """HAProxy in HTTP mode in front of `upstream`."""
        return self._keep(
            proxies.start_haproxy(
                self._place("haproxy"),
                upstream.authority,
                host=host,
                cert=self._cert(tls, host),
                upstream_tls=upstream.tls,
                tunnel_s=tunnel_s,
                client_s=client_s,
                server_s=server_s,
                netns=netns,
            )
        )

    def apache(
        self,
        upstream: Address,
        *,
        module: str = "http",
        forward_upgrade: bool = True,
        timeout_s: int = 60,
    ) -> Peer:
        """Apache in front of `upstream`: mod_proxy_http, or mod_proxy_wstunnel (`wstunnel`)."""
        return self._keep(
            proxies.start_apache(
                self._place("apache"),
                upstream.authority,
                host=LOOPBACK,
                module=module,
                forward_upgrade=forward_upgrade,
                timeout_s=timeout_s,
            )
        )

    def nat(
        self, *, established_s: int = 3, on_unknown: OnUnknown = "drop", loss_pct: int = 0
    ) -> Nat:
        """A conntrack NAT between a client's and a server's namespace."""
        nat = Nat(established_s=established_s, on_unknown=on_unknown, loss_pct=loss_pct)
        self._stack.callback(nat.remove)
        return nat

    def wan(
        self,
        *,
        delay_ms: float = 20,
        loss_pct: float = 0,
        rate_kbit: float | None = None,
        queue_kbytes: int = 64,
    ) -> Wan:
        """A line with one-way delay, loss and a bottleneck between two namespaces."""
        wan = Wan(
            self._place("wan"),
            delay_ms=delay_ms,
            loss_pct=loss_pct,
            rate_kbit=rate_kbit,
            queue_kbytes=queue_kbytes,
        )
        self._stack.callback(wan.remove)
        return wan

    def start_wsdiag(
        self, *args: str, env: Mapping[str, str] | None = None, netns: str | None = None
    ) -> Running:
        """`wsdiag args…`, running."""
        running = Running(args, env=env, netns=netns)
        self._stack.callback(running.stop)
        return running

    def terminal(
        self, *args: str, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
    ) -> Terminal:
        """`wsdiag args…` on a terminal of its own."""
        terminal = Terminal([*WSDIAG, *args], columns=columns, rows=rows, env=env)
        self._stack.callback(terminal.close)
        return terminal

    def wsdiag(
        self,
        *args: str,
        timeout: float = 30,
        env: Mapping[str, str] | None = None,
        netns: str | None = None,
        ok: int | None = None,
    ) -> Run:
        """`wsdiag args…`, run to its end within `timeout` s; `ok`: the exit code it must have."""
        run = self.start_wsdiag(*args, env=env, netns=netns).wait(timeout)
        assert ok is None or run.code == ok, f"expected exit code {ok}: {run}"
        return run

    def serve(
        self, *args: str, netns: str | None = None, host: str = LOOPBACK
    ) -> tuple[str, Running]:
        """`wsdiag serve` on a free port, listening: (its URL, the process)."""
        line = ("serve", "--host", host, "--port", "0", "-o", "json", *args)
        note = {LATENESS: str(self._place("serve") / "lateness")}
        running = self.start_wsdiag(*line, env=note, netns=netns)
        return running.wait_record("serve.listening")["url"].rstrip("/"), running
