"""TLS of one conversation: its layer, and TLS within it (a tunnel through a proxy that is spoken to
in TLS). What the innermost one opens is the conversation's; an alert in the outermost is the first
sign of its end."""

from __future__ import annotations

from wsdiag.capture.ends import Ends
from wsdiag.capture.notebook import Notebook
from wsdiag.capture.tls.flow import PlaintextListener, TlsFlow
from wsdiag.capture.tls.key_log import KeyLog
from wsdiag.judgement.recorded.facts import TlsAlert

_MOST_ALERTS = 8


class TlsLayers:
    """At least one layer of TLS, once `add` was called. `listener` gets what comes out of the last.

    `key_log` None: TLS stays dark.
    """

    def __init__(
        self, book: Notebook, ends: Ends, key_log: KeyLog | None, listener: PlaintextListener
    ) -> None:
        self._book, self._ends, self._key_log = book, ends, key_log
        self._listener = listener
        self._layers: list[TlsFlow] = []
        self._alerted: int | None = None
        """Whose TLS alert seems to have ended it."""

    def add(self) -> None:
        """What the last layer opens is TLS again."""
        self._layers.append(TlsFlow(self._key_log, _Plaintext(self, len(self._layers) + 1)))

    def first(self, number: int, time_ns: int, data: bytes) -> None:
        """The first bytes of the layer that was added."""
        if len(self._layers) > 1:
            self._layers[-1].data(number, time_ns, data)
        else:
            self.data(number, time_ns, data)

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes of TLS from an end. Where it stays dark, lengths, times and directions are all
        there is: a few bytes right before the end are then taken for a Close frame or an alert, not
        for traffic."""
        facts, ends = self._book.facts, self._ends
        ends.sealed(number, time_ns, len(data), ends.idle_before_ns)
        layer = self._layers[0]
        alerts = len(layer.alerts)
        layer.data(number, time_ns, data)
        if len(layer.alerts) > alerts:
            if ends.alerted(number, time_ns):
                self._alerted = number
        elif self._alerted == number and facts.encrypted and not facts.ends:
            # it was no close_notify: who sends one sends nothing behind it
            self._alerted, facts.ended_s, facts.prompted = None, None, None
            facts.open_pings.clear()
            layer.alerts.clear()

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes of TLS that the capture lacks."""
        self._layers[0].gap(number, time_ns, size)

    def opened(self, layer: int, number: int, time_ns: int, data: bytes) -> None:
        """What a layer opened: the next one's, or the conversation's."""
        to = self._layers[layer] if layer < len(self._layers) else self._listener
        to.data(number, time_ns, data)

    def missed(self, layer: int, number: int, time_ns: int, size: int) -> None:
        """What a layer could not open."""
        to = self._layers[layer] if layer < len(self._layers) else self._listener
        to.gap(number, time_ns, size)

    def held(self) -> int:
        """How many bytes of unfinished records and messages they keep."""
        return sum(layer.held() for layer in self._layers)

    def finish(self) -> None:
        """What TLS said of itself, into the facts."""
        book, facts = self._book, self._book.facts
        for layer in self._layers:
            layer.finish()
            facts.tls.update(layer.facts)
            for alert in layer.alerts[: _MOST_ALERTS - len(facts.alerts)]:
                at_s = book.since(alert.time_ns)
                facts.alerts.append(TlsAlert(book.side(alert.number), at_s, alert.name))
            if layer.dark is not None:
                kept = "not decrypted" if facts.encrypted else "not decrypted from some point on"
                book.note(f"{kept}: {layer.dark}")


class _Plaintext:
    """What a layer of TLS tells: plaintext, with the layer's number."""

    def __init__(self, layers: TlsLayers, layer: int) -> None:
        self._layers, self._layer = layers, layer

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Plaintext from an end."""
        self._layers.opened(self._layer, number, time_ns, data)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Plaintext that is missing."""
        self._layers.missed(self._layer, number, time_ns, size)
