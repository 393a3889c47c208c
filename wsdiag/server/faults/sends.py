"""What the server sends instead of an echo."""

from __future__ import annotations

import json
from dataclasses import field

from wsdiag.protocol.events import BinaryMessage, Event, TextMessage
from wsdiag.protocol.http import Request
from wsdiag.server.fault import Fault, WebSocketChannel, fault
from wsdiag.server.params import param, whole
from wsdiag.server.reply import Reply


@fault("echo", "behaves", option=None)
class Echo(Fault):
    """Echoes every message, answers every Ping; so does /."""


@fault("sink", "behaves")
class Sink(Fault):
    """Takes messages and never answers them; Pings are answered."""

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Nobody answers messages."""
        return isinstance(event, TextMessage | BinaryMessage)


@fault("fragment", "sends")
class Fragment(Fault):
    """Echoes each message in this many fragments."""

    count: int = param(4, whole(1, 10000), "frames a message is cut into", name="frames")

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Echo in pieces; the last ones are empty when the message is too short."""
        if not isinstance(event, TextMessage | BinaryMessage) or not channel.is_open:
            return False
        text = isinstance(event, TextMessage)
        data = event.text.encode() if isinstance(event, TextMessage) else event.data
        size = -(-len(data) // self.count)
        parts = [data[i * size : (i + 1) * size] for i in range(self.count)]
        channel.messages_out += 1
        send = channel.connection.send_text if text else channel.connection.send_binary
        send(parts[0], fin=self.count == 1)
        for number, part in enumerate(parts[1:], 2):
            channel.connection.send_continuation(part, number == self.count)
        return True


@fault("headers", "behaves")
class Headers(Fault):
    """Sends the request's headers as JSON, then echoes."""

    text: str = field(default="", init=False, repr=False)

    def answer(self, request: Request) -> Reply | None:
        """Note the headers as they arrived through all proxies."""
        self.text = json.dumps({"target": request.target, "headers": request.headers})
        return None

    def opened(self, channel: WebSocketChannel) -> None:
        """Send them."""
        channel.send_text(self.text)


@fault("stats", "behaves")
class Stats(Fault):
    """Sends the server's figures as JSON, and again for each message."""

    def opened(self, channel: WebSocketChannel) -> None:
        """Send them."""
        channel.send_text(json.dumps(channel.server_stats()))

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Send them again."""
        if not isinstance(event, TextMessage | BinaryMessage):
            return False
        channel.send_text(json.dumps(channel.server_stats()))
        return True
