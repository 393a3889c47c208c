"""Endpoints with a clock of their own, each a script of a few lines, in seconds instead of minutes.

Phoenix, SignalR, Action Cable, Centrifugo, Pusher and WAMP are played from their public
specifications: no server of theirs is behind these.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.integration.scripted import ScriptedClient, ScriptedServer

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Connection:
    """One client of a scripted endpoint: what came last, and ways to end."""

    def __init__(self, client: ScriptedClient) -> None:
        self.client, self.loop = client, asyncio.get_running_loop()
        self.opened_s = self.byte_s = self.text_s = self.loop.time()
        self.said: list[str] = []
        self.over = asyncio.Event()
        self.mute = False

    def say(self, text: str) -> None:
        if not self.mute:
            self.client.send(TEXT, text.encode())

    async def close(self, code: int | None, reason: str = "") -> None:
        """End: with a Close frame, or without one (`code` None)."""
        if code is not None:
            self.client.send(CLOSE, struct.pack("!H", code) + reason.encode())
            await asyncio.sleep(0.03)
        self.over.set()

    async def idle(self, seconds: float, *, texts: bool = False) -> None:
        """Until nothing (texts: no message) has come for so long."""
        left_s = seconds
        while left_s > 0:
            await asyncio.sleep(left_s)
            last_s = self.text_s if texts else self.byte_s
            left_s = last_s + seconds - self.loop.time()


Life = Callable[[Connection], Awaitable[None]]
Answer = Callable[[Connection, str], None]


@asynccontextmanager
async def played(
    life: Life, answer: Answer | None, *, pongs: bool | None = True, receives: int | None = None
) -> AsyncIterator[str]:
    """The URL of an endpoint that lives so, and answers texts so.

    `pongs`: False: a Ping ends the connection; None: it is ignored.
    """

    async def script(client: ScriptedClient) -> None:
        connection = Connection(client)

        async def read() -> None:
            async for frame in client.frames():
                connection.byte_s = connection.loop.time()
                if frame.opcode == PING and pongs and not connection.mute:
                    client.send(PONG, frame.payload)
                elif frame.opcode == PING and pongs is False:
                    await connection.close(None)
                elif frame.opcode == TEXT:
                    connection.text_s = connection.loop.time()
                    connection.said.append(frame.payload.decode())
                    if answer is not None:
                        answer(connection, frame.payload.decode())
                elif frame.opcode == CLOSE:
                    client.send(CLOSE, frame.payload[:2])
                    return

        async def live() -> None:
            await life(connection)
            await connection.over.wait()

        tasks = [asyncio.ensure_future(each) for each in (read(), live(), connection.over.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    server = ScriptedServer(script, receives=receives)
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()


@dataclass(frozen=True)
class Scenario:
    """What an endpoint does, what raw sockets measure of it, and what the verdict is to be.

    `idle_end_s`, `pinged_end_s`: when a connection that says nothing, or Pings only, ends; None:
    not in 4 s. `seconds`: what the verdict's range must contain.
    """

    life: Life
    verdict: str
    idle_end_s: float | None = None
    pinged_end_s: float | None = None
    seconds: float | None = None
    answer: Answer | None = None
    pongs: bool | None = True
    receives: int | None = None
    query: str = ""
    dial: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    keepalives: dict[str, str] = field(default_factory=dict)
    says: str = ""
    never: str = ""


async def _forever(connection: Connection) -> None:
    await asyncio.sleep(60)


def _heartbeats(ping: str, every_s: float, within_s: float, first: str = "") -> Life:
    """Its own heartbeat, and an end without a Close frame where no text answers it in time."""

    async def life(connection: Connection) -> None:
        if first:
            connection.say(first)
        while True:
            await asyncio.sleep(every_s)
            connection.say(ping)
            asked_s = connection.loop.time()
            await asyncio.sleep(within_s)
            if connection.text_s < asked_s:
                await connection.close(None)
                return

    return life


def _repeated(ping: str, every_s: float, most: int, code: int | None = None) -> Life:
    """Its own heartbeat again and again, and an end in place of the one after `most` unanswered."""

    async def life(connection: Connection) -> None:
        asked_s: list[float] = []
        while True:
            await asyncio.sleep(every_s)
            asked_s = [at for at in asked_s if at > connection.text_s]
            if len(asked_s) >= most:
                await connection.close(code)
                return
            connection.say(ping)
            asked_s.append(connection.loop.time())

    return life


def _by_the_clock(ping: str, every_s: float, code: int | None) -> Life:
    """One clock asks all connections at once, and ends those that did not answer the last time."""

    async def life(connection: Connection) -> None:
        asked_s: float | None = None
        while True:
            now_s = connection.loop.time()
            await asyncio.sleep(every_s - now_s % every_s)
            if asked_s is not None and connection.text_s < asked_s:
                await connection.close(code)
                return
            connection.say(ping)
            asked_s = connection.loop.time()

    return life


def _idle(seconds: float, code: int | None = None, reason: str = "", **how: Any) -> Life:
    async def life(connection: Connection) -> None:
        await connection.idle(seconds, **how)
        await connection.close(code, reason)

    return life


def _age(seconds: float, code: int | None = None, reason: str = "", first: str = "") -> Life:
    async def life(connection: Connection) -> None:
        if first:
            connection.say(first)
        await asyncio.sleep(seconds)
        if not connection.said:
            await connection.close(code, reason)

    return life


def _swept(seconds: float, every_s: float) -> Life:
    """Idle sessions are looked for now and then, at moments that all connections share."""

    async def life(connection: Connection) -> None:
        while True:
            now_s = connection.loop.time()
            await asyncio.sleep(every_s - now_s % every_s)
            if connection.loop.time() - connection.byte_s >= seconds:
                await connection.close(1000, "session timeout")
                return

    return life


def _dead_first(seconds: float, later_s: float) -> Life:
    """Envoy's way: nothing passes any more when the timer fires, and FIN comes later."""

    async def life(connection: Connection) -> None:
        await connection.idle(seconds)
        connection.mute = True
        await asyncio.sleep(later_s)
        await connection.close(None)

    return life


def _feed(every_s: float, lifetime_s: float) -> Life:
    """Messages that want no answer, until it ends."""

    async def life(connection: Connection) -> None:
        until_s = connection.opened_s + lifetime_s
        while (left_s := until_s - connection.loop.time()) > 0:
            await asyncio.sleep(min(every_s, left_s))
            if connection.loop.time() < until_s:
                connection.say('{"price":3}')
        await connection.close(None)

    return life


async def _every_3_s(connection: Connection) -> None:
    connection.say('{"type":"welcome"}')
    while True:
        await asyncio.sleep(0.6)
        connection.say('{"type":"ping","message":1700000000}')


def _phoenix(connection: Connection, text: str) -> None:
    connection.say('[null,"1","phoenix","phx_reply",{"response":{},"status":"ok"}]')


def _signalr(connection: Connection, text: str) -> None:
    if "protocol" in text:
        connection.say("{}\x1e")


def _centrifugo(connection: Connection, text: str) -> None:
    if "connect" in text:
        connection.say('{"id":1,"connect":{"client":"a","version":"5","ping":1,"pong":true}}')


def _wamp(connection: Connection, text: str) -> None:
    if text.startswith("[1,"):
        connection.say('[2,1,{"roles":{}}]')


OPEN4 = '0{"sid":"a","upgrades":[],"pingInterval":700,"pingTimeout":900,"maxPayload":1000000}'
PUSHER = (
    '{"event":"pusher:connection_established","data":"{\\"socket_id\\":\\"1.2\\",'
    '\\"activity_timeout\\":1}"}'
)

SCENARIOS: dict[str, Scenario] = {
    "a Socket.IO server, as delivered but for its times": Scenario(
        _heartbeats("2", 0.7, 0.9, OPEN4),
        "application-timeout",
        1.6,
        1.6,
        0.9,
        query="?EIO=4&transport=websocket",
        keepalives={"ping": "drops", "heartbeat": "holds"},
        says="announced: 0.9 s",
    ),
    "an unknown protocol that asks": Scenario(
        _heartbeats("are you there?", 0.7, 0.9),
        "application-timeout",
        1.6,
        1.6,
        0.9,
        says='last message before the end: "are you there?"',
    ),
    "an unknown protocol that pings again and again": Scenario(
        _repeated('{"type":"ping"}', 0.6, 2),
        "application-timeout",
        1.8,
        1.8,
        1.2,
        keepalives={"ping": "drops", "pong": "drops"},
        says="would look the same",
    ),
    "the same, answered by messages": Scenario(
        _repeated('{"type":"ping"}', 0.6, 2),
        "application-timeout",
        1.8,
        1.8,
        1.2,
        options={"send": '{"type":"pong"}'},
        keepalives={"ping": "drops", "data": "holds"},
        says="most likely it wants one",
    ),
    "messages that nobody is asked by": Scenario(
        _repeated("tick", 0.6, 2), "lifetime", 1.8, 1.8, 1.8, says="would look the same"
    ),
    "a heartbeat that wants no answer, and a lifetime": Scenario(
        _repeated('{"channel":"heartbeat"}', 0.25, 7), "lifetime", 2.0, 2.0, 2.0
    ),
    "an unknown protocol that asks twice": Scenario(
        _repeated('{"type":"ping"}', 0.8, 2),
        "application-timeout",
        2.4,
        2.4,
        1.6,
        says='last message before the end: "{"type":"ping"}"',
    ),
    "an unknown protocol that asks once a second": Scenario(
        _repeated('{"event":"heartbeat"}', 1.0, 1), "application-timeout", 2.0, 2.0, 1.0
    ),
    "a feed until a lifetime": Scenario(_feed(0.8, 2.2), "lifetime", 2.2, 2.2, 2.2),
    "graphql-transport-ws without connection_init": Scenario(
        _age(1.5, 4408, "Connection initialisation timeout"),
        "application-timeout",
        1.5,
        1.5,
        1.5,
        says="connection_init",
    ),
    "SignalR without its handshake": Scenario(
        _age(1.5, 1000, first='{"error":"Handshake was canceled."}\x1e'),
        "application-timeout",
        1.5,
        1.5,
        1.5,
    ),
    "SignalR greeted, whose client says nothing more": Scenario(
        _idle(1.8, 1000, texts=True),
        "idle-timeout",
        1.8,
        1.8,
        1.8,
        answer=_signalr,
        dial={"dialect": "signalr"},
        keepalives={"ping": "drops", "heartbeat": "holds"},
        never="on its own",
    ),
    "Phoenix on Cowboy": Scenario(
        _idle(1.8, 1000),
        "idle-timeout",
        1.8,
        None,
        1.8,
        answer=_phoenix,
        query="websocket?vsn=2.0.0",
        keepalives={"ping": "holds", "pong": "holds", "heartbeat": "holds"},
        says="Phoenix",
    ),
    "Action Cable": Scenario(_every_3_s, "kept-busy", says="Action Cable"),
    "Centrifugo, whose ping wants an answer": Scenario(
        _heartbeats("{}", 1.0, 0.8),
        "application-timeout",
        1.8,
        1.8,
        0.8,
        answer=_centrifugo,
        dial={"dialect": "centrifugo"},
        keepalives={"heartbeat": "holds", "ping": "drops"},
    ),
    "Pusher, whose ping wants an answer": Scenario(
        _heartbeats('{"event":"pusher:ping","data":{}}', 1.0, 0.8, PUSHER),
        "application-timeout",
        1.8,
        1.8,
        0.8,
        query="app/key?protocol=7",
        keepalives={"heartbeat": "holds", "ping": "drops"},
    ),
    "WAMP, greeted, behind an idle timeout": Scenario(
        _idle(1.8),
        "idle-timeout",
        1.8,
        None,
        1.8,
        answer=_wamp,
        dial={"dialect": "wamp"},
        keepalives={"ping": "holds"},
        never="on its own",
    ),
    "a sweep": Scenario(
        _swept(1.5, 0.8),
        "idle-timeout",
        keepalives={"ping": "holds"},
        seconds=1.5,
        says="looked at",
    ),
    "dead before its FIN": Scenario(
        _dead_first(1.6, 0.6), "idle-timeout", 2.2, None, 1.6, keepalives={"ping": "holds"}
    ),
    "Jetty's Close": Scenario(
        _idle(1.8, 1001, "Connection Idle Timeout"), "idle-timeout", 1.8, None, 1.8
    ),
    "what ends when it is pinged": Scenario(
        _forever,
        "no-drop",
        None,
        0.3,
        pongs=False,
        keepalives={"ping": "drops"},
        says="when it is pinged",
    ),
    "a wait for a first message, which does not say so": Scenario(
        _age(2.0),
        "lifetime",
        2.0,
        2.0,
        2.0,
        keepalives={"ping": "drops"},
        says="a first one (--hello TEXT tells), or one now and then (--send TEXT)",
    ),
    "the same, where messages are sent": Scenario(
        _age(2.0),
        "idle-timeout",
        2.0,
        2.0,
        2.0,
        options={"send": "hello"},
        keepalives={"ping": "drops", "data": "holds"},
        says="or waits for a first one",
    ),
}


# -- what concerns all connections: no raw socket may come in between ---------------------------


def _restarting(at_s: float, code: int | None) -> Life:
    began: list[float] = [0.0]

    async def life(connection: Connection) -> None:
        if connection.client.number == 0:
            began[:] = [connection.loop.time()]
        await asyncio.sleep(began[0] + at_s - connection.loop.time())
        await connection.close(code)

    return life


def _restarts_once(
    at_s: float, code: int | None = None, *, over_s: float = 0.0, idle_s: float = 60.0
) -> Life:
    """All that are open end at one moment, or one after the other; those that come afterwards live
    on, but for an idle timeout."""
    began: list[float] = [0.0]
    chance = random.Random(5)

    async def life(connection: Connection) -> None:
        if connection.client.number == 0:
            began[:] = [connection.loop.time()]
        left_s = began[0] + at_s + chance.uniform(0.0, over_s) - connection.loop.time()
        if left_s > 0:
            await asyncio.sleep(left_s)
        else:
            await connection.idle(idle_s)
        await connection.close(code)

    return life


def _breaks(at_s: float, code: int, reason: str) -> Life:
    """All that are open end at one moment, and those that come afterwards at once."""
    began: list[float] = [0.0]

    async def life(connection: Connection) -> None:
        if connection.client.number == 0:
            began[:] = [connection.loop.time()]
        left_s = began[0] + at_s - connection.loop.time()
        await asyncio.sleep(max(0.0, left_s))
        await connection.close(1012 if left_s > 0 else code, reason)

    return life


def _one_at_a_time() -> Life:
    open_: list[Connection] = []

    async def life(connection: Connection) -> None:
        if connection.client.number == 0:
            open_.clear()
        before, open_[:] = tuple(open_), [connection]
        await asyncio.gather(*(other.close(4000, "signed in elsewhere") for other in before))
        await asyncio.sleep(60)

    return life


def _at_most(most: int, code: int) -> Life:
    """So many connections at once; what comes on top is ended at once."""
    open_: set[Connection] = set()

    async def life(connection: Connection) -> None:
        if len(open_) >= most:
            await connection.close(code, "try again later")
            return
        open_.add(connection)
        try:
            await connection.idle(1.8)
            await connection.close(None)
            await connection.over.wait()
        finally:
            open_.discard(connection)

    return life


def _random(low_s: float, high_s: float) -> Life:
    chance = random.Random(4)

    async def life(connection: Connection) -> None:
        await connection.idle(chance.uniform(low_s, high_s))
        await connection.close(None)

    return life


def _two_timers() -> Life:
    async def life(connection: Connection) -> None:
        lives = [connection.idle(1.2), asyncio.sleep(3.4)]
        tasks = [asyncio.ensure_future(each) for each in lives]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await connection.close(None)

    return life


def _reads_no_more(seconds: float) -> Life:
    """After so long an idleness it no longer reads; nothing ends."""

    async def life(connection: Connection) -> None:
        await connection.idle(seconds)
        connection.mute = True
        connection.client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    return life


def _echo(connection: Connection, text: str) -> None:
    connection.say("yes")


SHARED: dict[str, Scenario] = {
    "one clock that pings all, and ends who did not answer": Scenario(
        _by_the_clock('{"op":"ping"}', 1.0, 4000),
        "application-timeout",
        seconds=1.0,
        keepalives={"ping": "drops"},
        says="had gone without an answer",
    ),
    "an endpoint that stops reading": Scenario(
        _reads_no_more(1.9),
        "idle-timeout",
        seconds=1.9,
        answer=_echo,
        pongs=None,
        receives=1,
        options={
            "send": "x" * 20_000,
            "expect": "yes",
            "trials": ("idle", "data"),
            "pong_timeout_s": 0.8,
        },
        keepalives={"data": "holds"},
        says="TCP acknowledged the Ping with a zero window",
    ),
    "a deploy that says so": Scenario(
        _restarting(1.9, 1012),
        "event",
        keepalives={"ping": "untested", "pong": "untested"},
        says="service restart",
    ),
    "a restart that happens once": Scenario(
        _restarts_once(1.9),
        "event",
        keepalives={"ping": "untested", "pong": "untested"},
        says="opened afterwards lived longer",
    ),
    "a restart, and no service behind it": Scenario(
        _breaks(1.9, 1011, "no backend"),
        "event",
        keepalives={"ping": "untested", "pong": "untested"},
        says="Afterwards new connections were accepted and ended at once (Close frame 1011 (no",
        never="could be opened",
    ),
    "a drain, one after the other": Scenario(
        _restarts_once(1.9, 1001, over_s=0.4),
        "event",
        keepalives={"ping": "untested", "pong": "untested"},
        says="Close code 1001 means going away",
    ),
    "a restart, and a timer behind it": Scenario(
        _restarts_once(1.9, idle_s=2.6),
        "idle-timeout",
        seconds=2.6,
        keepalives={"ping": "holds", "pong": "untested"},
        says="an event, such as a restart",
    ),
    "one connection at a time": Scenario(
        _one_at_a_time(), "inconsistent", says="one connection at a time"
    ),
    "a limit on connections": Scenario(
        _at_most(9, 1013), "idle-timeout", seconds=1.8, says="most likely a limit on connections"
    ),
    "a timer with a random part": Scenario(
        _random(1.0, 2.4), "idle-timeout", keepalives={"ping": "holds"}, says="after between"
    ),
    "a lifetime above the idle timeout": Scenario(
        _two_timers(),
        "idle-timeout",
        seconds=1.2,
        options={"lifetime_s": 4.0},
        keepalives={"ping": "holds"},
        says="something else ends them",
    ),
    "one connection only": Scenario(
        _idle(1.8),
        "idle-timeout",
        seconds=1.8,
        options={"max_connections": 1},
        keepalives={"ping": "holds"},
        says="2 idle connections were dropped",
    ),
    "two connections only": Scenario(
        _idle(1.8),
        "idle-timeout",
        seconds=1.8,
        options={"max_connections": 2},
        keepalives={"ping": "holds"},
    ),
}
