"""The messages by key (`--by`): their figures, and the sequence numbers of each.

Without `--by` all messages are one key for their numbers. Memory is bounded: beyond `most_keys` the
rest is one key, `others`, whose sequence numbers nobody could check.
"""

from __future__ import annotations

from wsdiag.probes.stream.lag import LagMeter
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.sequence import SequenceCheck, SequenceCounts
from wsdiag.records.stream import KeyFigures

OTHERS = "others"


class Key:
    """The messages of one key."""

    __slots__ = ("bytes", "interval", "lag", "last_s", "longest_s", "messages", "sequence")

    def __init__(self, *, numbered: bool, timed: bool) -> None:
        self.messages = self.bytes = self.interval = 0
        self.last_s: float | None = None
        self.longest_s: float | None = None
        self.sequence = SequenceCheck() if numbered else None
        self.lag = LagMeter() if timed else None

    def add(self, size: int, at_s: float) -> None:
        """Take a message of so many bytes."""
        self.messages += 1
        self.bytes += size
        self.interval += 1
        if self.last_s is not None:
            self.longest_s = max(self.longest_s or 0.0, at_s - self.last_s)
        self.last_s = at_s

    def figures(self, name: str, now_s: float, duration_s: float) -> KeyFigures:
        """The same as a record's member."""
        silent_s = 0.0 if self.last_s is None else max(now_s - self.last_s, 0.0)
        lag, sequence = None if self.lag is None else self.lag.figures, self.sequence
        return KeyFigures(
            name,
            self.messages,
            self.bytes,
            self.messages / duration_s if duration_s > 0 else 0.0,
            max(self.longest_s or 0.0, silent_s),
            None if sequence is None or sequence.highest is None else sequence.counts.record(),
            None if lag is None else lag.percentile(50),
            None if lag is None else lag.maximum,
        )


class Keys:
    """All keys of a run; without `--by` there are none, but one sequence of numbers."""

    def __init__(self, options: StreamOptions) -> None:
        self._numbered, self._timed = options.seq is not None, options.time is not None
        self._most = options.most_keys
        self._named: dict[str, Key] = {}
        self._others: Key | None = None
        self._whole = SequenceCheck() if self._numbered and options.by is None else None

    def of(self, name: str) -> Key:
        """The key of this name, or the one of all others."""
        found = self._named.get(name)
        if found is not None:
            return found
        if len(self._named) < self._most:
            found = self._named[name] = Key(numbered=self._numbered, timed=self._timed)
            return found
        if self._others is None:
            self._others = Key(numbered=False, timed=self._timed)
        return self._others

    def sequence_of(self, key: Key | None) -> SequenceCheck | None:
        """Where a message's number belongs; None: nowhere."""
        return self._whole or (None if key is None else key.sequence)

    def _sequences(self) -> list[tuple[str, SequenceCheck]]:
        """Those with a number, by key."""
        named = [(name, key.sequence) for name, key in self._named.items()]
        return [
            (name, sequence)
            for name, sequence in [("", self._whole), *named]
            if sequence is not None and sequence.highest is not None
        ]

    def reconnected(self) -> None:
        """The next number of each key is the first on another connection."""
        for _, sequence in self._sequences():
            sequence.reconnected = True

    def unread(self) -> None:
        """A message came whose key and number are not known: it may be of any key."""
        for _, sequence in self._sequences():
            sequence.unread += 1

    def awaits_numbers(self) -> bool:
        """Whether a key has not been seen since the last connection was opened."""
        return any(sequence.reconnected for _, sequence in self._sequences())

    def missed(self) -> dict[str, int | None] | None:
        """Numbers missed between the last two connections, by key; None: they are not looked at."""
        if not self._numbered:
            return None
        return {
            name: sequence.missed
            for name, sequence in self._sequences()
            if not sequence.reconnected
        }

    def counts(self) -> SequenceCounts:
        """What became of the sequence numbers, all keys together."""
        counts = SequenceCounts()
        for _, sequence in self._sequences():
            counts.add(sequence.counts)
        return counts

    @property
    def firsts(self) -> int:
        """Numbers that were the first of their key: nothing they could be compared with."""
        return len(self._sequences())

    def _all(self) -> list[tuple[str, Key]]:
        named = sorted(self._named.items(), key=lambda item: -item[1].messages)
        return named if self._others is None else [*named, (OTHERS, self._others)]

    def take_interval(self) -> dict[str, int]:
        """Messages by key since the last call."""
        counts = {name: key.interval for name, key in self._all() if key.interval}
        for _, key in self._all():
            key.interval = 0
        return counts

    def figures(self, now_s: float, duration_s: float) -> list[KeyFigures]:
        """Each key's figures, the most messages first, the others last."""
        return [key.figures(name, now_s, duration_s) for name, key in self._all()]
