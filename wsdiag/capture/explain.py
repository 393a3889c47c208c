"""`explain`: sources to records, each connection judged by itself and then all of them together.

Connections are yielded behind the judgement over all, as that changes what is said of each: one
that ended after 60.0 s of idleness is a server's FIN, three are an idle timeout. A live source
(stdin) is the exception: there a connection is said as it ends, and the verdict at the end says
the rest. Where there are very many, the first ones are said early, so that memory stays bounded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wsdiag.capture.sources import READABLE, ReadOptions, Source, UnknownSource
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import connection_record, endpoint_of
from wsdiag.judgement.recorded.together import Together
from wsdiag.judgement.recorded.trials import Change
from wsdiag.records import Error
from wsdiag.records.explain import ExplainConnection, ExplainEvent, ExplainSource, ExplainVerdict

if TYPE_CHECKING:
    from wsdiag.capture.log_formats import LogLine
    from wsdiag.capture.own_records import OwnRecord
    from wsdiag.capture.tls.key_log import KeyLog
    from wsdiag.judgement.recorded.endings import Ending
    from wsdiag.transport.trace import Tracer

MOST_HELD = 10_000
"""Connections that are held back for the judgement over all."""
_MOST_PAIRED = 1000
"""Connections among which those are looked for that were captured twice."""
_MOST_DRAWN, _FEW_MARKS = 500, 24
"""Connections behind so many keep no more than a few marks for their timelines."""

Open = Callable[[str], io.RawIOBase]


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What to read with, and what to show.

    `key_log`: a file in the NSS key log format. `log_format`: of access logs, in nginx's syntax.
    `live`: connections are said as they end.
    """

    key_log: KeyLog | None = None
    log_format: str | None = None
    show: bool = False
    show_secrets: bool = False
    live: bool = False


class ExplainRun:
    """One run over sources, in their order. ValueError for a log format that cannot be used."""

    def __init__(
        self,
        names: Sequence[str],
        options: ExplainOptions,
        open_source: Open | None = None,
        tracer: Tracer | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stopped`: whether what was read is enough."""
        self._names, self._options = names, options
        self._open = open_source or _open_file
        parse: Callable[[str], LogLine | None] | None = None
        if options.log_format is not None:
            from wsdiag.capture.logs import compile_format

            parse = compile_format(options.log_format)
        self._reading = ReadOptions(
            options.key_log, parse, options.show, options.live, tracer, stopped
        )
        self._together = Together(names)
        self._number = 0
        self.unreadable = 0
        """How many sources were of no known format, or could not be opened."""
        self.replayed = 0
        """How many of wsdiag's own records there were."""

    def events(self) -> Iterator[ExplainEvent | OwnRecord]:
        """What each source held, the connections, and a verdict for each endpoint; those that an
        earlier run wrote are what they were then."""
        held: list[ExplainConnection] = []
        waiting: list[ConnectionFacts] = []
        for name in self._names:
            try:
                source = Source(self._open(name), name, self._reading)
            except UnknownSource as unknown:
                yield self._unreadable(name, f"{unknown.message} (byte {unknown.offset:,})")
                continue
            except OSError as error:
                yield self._unreadable(name, error.strerror or str(error), None)
                continue
            if source.kind == "records":
                from wsdiag.capture.own_records import read_records

                for own in read_records(source.stream, source.totals):
                    self.replayed += 1
                    judged = isinstance(own.record, ExplainConnection | ExplainVerdict)
                    yield own.record if judged else own
                yield _summary(source)
                continue
            for facts in source:
                pairs = source.kind == "capture" and not self._options.live
                if pairs and len(waiting) < _MOST_PAIRED:
                    waiting.append(facts)
                    continue
                connection = self._judged(facts)
                if self._options.live or len(held) >= MOST_HELD:
                    yield connection
                else:
                    held.append(connection)
            begun = self._number or source.totals.packets or source.totals.plain_http
            if source.broken is not None and not begun and source.kind in ("capture", "HAR file"):
                yield self._unreadable(name, source.broken)
                continue
            yield _summary(source)
        held += self._paired(waiting)
        verdicts = list(self._together.verdicts())
        yield from _changed(held, self._together.changes)
        yield from verdicts

    def _judged(self, facts: ConnectionFacts, ending: Ending | None = None) -> ExplainConnection:
        self._number += 1
        ending, _ = self._together.add(facts, self._number, endpoint_of(facts), ending)
        secrets = self._options.show_secrets
        if self._number > _MOST_DRAWN:
            step = max(len(facts.activity) // _FEW_MARKS, 1)
            facts.activity = facts.activity[::step]
        return connection_record(facts, self._number, ending, show_secrets=secrets)

    def _paired(self, waiting: Sequence[ConnectionFacts]) -> Iterator[ExplainConnection]:
        """Connections of captures; those that were captured twice are one."""
        ended: dict[int, tuple[ConnectionFacts, Ending]] = {}
        hidden: set[int] = set()
        if len(waiting) > 1:
            self._pair_up(waiting, ended, hidden)
        for facts in waiting:
            if id(facts) in ended:
                yield self._judged(*ended[id(facts)])
            elif id(facts) not in hidden:
                yield self._judged(facts)

    def _pair_up(
        self,
        waiting: Sequence[ConnectionFacts],
        ended: dict[int, tuple[ConnectionFacts, Ending]],
        hidden: set[int],
    ) -> None:
        from wsdiag.judgement.recorded.pairs import judge_pair, pair_up

        for pair in pair_up(waiting):
            shown, *others = pair.members
            ended[id(shown)] = judge_pair(pair)
            hidden |= {id(other) for other in others}

    def _unreadable(self, name: str, why: str, hint: str | None = READABLE) -> Error:
        self.unreadable += 1
        return Error("", "read", "usage", f"{name}: {why}", hint)


def _changed(
    records: Iterable[ExplainConnection], changes: dict[int, Change]
) -> Iterator[ExplainConnection]:
    for record in records:
        change = changes.get(record.number)
        if change is None:
            yield record
        else:
            said = (*record.evidence, change.evidence)
            by = change.ended_by or record.ended_by
            yield replace(record, outcome=change.outcome, ended_by=by, evidence=said)


def _summary(source: Source) -> ExplainSource:
    totals = source.totals
    return ExplainSource(
        source.name,
        source.kind,
        totals.packets,
        totals.plain_http,
        totals.refused,
        totals.other,
        totals.unreadable,
        tuple(totals.notes),
        source.broken,
    )


def _open_file(name: str) -> io.RawIOBase:
    return io.FileIO(name)
