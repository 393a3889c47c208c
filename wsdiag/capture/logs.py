"""Access logs to facts: how long each WebSocket lived, and what the proxy says of its end.

A proxy writes a connection's line when it ends. For a WebSocket the line's status is 101 and its
duration the connection's whole life, which is all that most logs know; HAProxy and Envoy add flags
for who or what ended it. Lines of other requests are counted. A TCP log has no status: each of its
lines may be a WebSocket.

Every line is cut into words (bracketed and quoted text is one word) and read by position, so the
work is linear in its length; the format is told by the first line that has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

from wsdiag.capture.http import split_target
from wsdiag.capture.json_logs import json_format
from wsdiag.capture.log_formats import (
    FORMATS,
    MOST_PATH,
    LineParser,
    LogLine,
    clf_time,
    iso_time,
    request_line,
)
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.facts import ConnectionFacts

LONGEST_FORMAT = 4096
LONGEST_LINE = 1 << 16
"""Bytes; a longer line is passed over."""
_WORD = re.compile(r'\[[^\]]{0,64}+\]|"[^"\\]*+(?:\\.[^"\\]*+)*+"|\S++')


class LogReader:
    """One access log. Iterate for the facts of its WebSockets; `totals` counts the rest.

    `parse`: reads lines of a format that was given; None: the format is told by content.
    """

    def __init__(
        self, stream: BinaryIO, source: str, parse: Callable[[str], LogLine | None] | None = None
    ) -> None:
        self.totals = CaptureTotals()
        self.format: str | None = None
        """The name of the format, once a line told it."""
        self._stream, self._source, self._parse = stream, source, parse
        self._without_duration = 0

    def __iter__(self) -> Iterator[ConnectionFacts]:
        """Facts in the order of the lines; never an exception for bad input."""
        totals = self.totals
        for text in self._lines():
            line = self._parse(text) if self._parse is not None else self._recognised(text)
            if line is None:
                totals.unreadable += 1
            elif line.status not in (101, None) and not line.upgraded:
                totals.plain_http += 1
            elif line.lasted_s is None:
                self._without_duration += 1
            else:
                yield _facts(self._source, line, line.lasted_s)
        if self._without_duration:
            totals.other += self._without_duration
            totals.notes.append(
                f"{self._without_duration:,} lines of WebSockets say nothing of how long they "
                "lived: their log format lacks the duration (nginx: $request_time)"
            )

    def _recognised(self, text: str) -> LogLine | None:
        if text.startswith("{"):
            found = json_format(text)
            if found is None:
                return None
            self.format, self._parse = found
            return self._parse(text)
        words = _WORD.findall(text)
        for name, parse in FORMATS.items():
            line = parse(words)
            if line is not None:
                self.format = name

                def parse_line(text: str, parse: LineParser = parse) -> LogLine | None:
                    return parse(_WORD.findall(text))

                self._parse = parse_line
                return line
        return None

    def _lines(self) -> Iterator[str]:
        stream = self._stream
        while line := stream.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                while (rest := stream.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    pass
                self.totals.unreadable += 1
            elif not line.isspace():
                yield line.decode("utf-8", "backslashreplace")


def recognise(head: bytes) -> str | None:
    """The name of the format that a file's first lines have; None: none that is known."""
    for line in head[:LONGEST_LINE].splitlines()[:50]:
        if line.startswith(b"{"):
            found = json_format(line.decode("utf-8", "backslashreplace"))
            if found is not None:
                return found[0]
            continue
        words = _WORD.findall(line.decode("utf-8", "backslashreplace"))
        for name, parse in FORMATS.items():
            if parse(words) is not None:
                return name
    return None


def _facts(source: str, line: LogLine, lasted_s: float) -> ConnectionFacts:
    target = split_target(line.path or "")
    facts = ConnectionFacts(
        source,
        client_address=line.client,
        began=line.began,
        opened_s=None if line.status is None else min(line.opened_s or 0.0, lasted_s),
        ended_s=lasted_s,
        recorded_s=lasted_s,
        scheme=target.scheme if line.scheme != "wss" and target.scheme else line.scheme,
        host=target.authority or line.host,  # which goes before Host (RFC 9112, 3.2.2)
        path=target.path[:MOST_PATH] or None,
        version=line.version,
        status=line.status,
        log_flags=line.flags,
        log_words=line.words,
    )
    if line.status is None:
        facts.notes.append("a TCP log: whether it was a WebSocket is not known")
    return facts


# -- a format that was given, in nginx's syntax ----------------------------------------------------
#
# A format is text with variables in it. A line is cut at the texts in between: each value ends
# where the text behind its variable comes next. One value may contain that text (a User-Agent
# without quotes does); so where a cut from the left gives a status or a duration that is none, the
# line is cut from both ends towards a variable that may. Cuts are searches for fixed text, and
# there are as many as the format has such variables, so a line costs what it is long.

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*+)'|\"((?:[^\"\\]|\\.)*+)\"", re.DOTALL)
_DIRECTIVE = re.compile(r"log_format\s++\S++\s++(?:escape=\w++\s++)?")
_FREE = re.compile(r"request|remote_user|http_\w+|args|query_string|cookie_\w+")
_DURATIONS = ("request_time", "session_time", "upstream_response_time", "upstream_session_time")
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_MSEC = re.compile(r"[0-9]{1,12}\.[0-9]{1,6}")
_STATUS = re.compile(r"[0-9]{3}")


class LogFormatError(ValueError):
    """A `--log-format` that cannot be used: what it lacks."""


def compile_format(text: str) -> Callable[[str], LogLine | None]:
    """What reads a line of a format in nginx's syntax. LogFormatError.

    `text`: as it stands in `log_format`, with or without the directive and its quotes.
    """
    if len(text) > LONGEST_FORMAT:
        raise LogFormatError(f"it has more than {LONGEST_FORMAT} characters")
    text = text.strip().removesuffix(";").rstrip()
    if (directive := _DIRECTIVE.match(text)) is not None:
        text = text[directive.end() :]
    quoted = list(_QUOTED.finditer(text))
    if quoted and not _QUOTED.sub("", text).strip():
        parts = [match[1] if match[2] is None else match[2] for match in quoted]
        text = re.sub(r"\\(.)", r"\1", "".join(parts))
    names: list[str] = []
    between: list[str] = []
    at = 0
    for match in _VARIABLE.finditer(text):
        literal, at = text[at : match.start()], match.end()
        if names and not literal:
            names[-1] = ""  # two values with nothing between them: neither is known
            continue
        names.append(match[1] or match[2])
        between.append(literal)
    between.append(text[at:])
    duration = next((name for name in _DURATIONS if name in names), None)
    if duration is None:
        raise LogFormatError("it has no $request_time, so it does not tell how long anything lived")
    if "status" not in names and duration != "session_time":
        raise LogFormatError("it has no $status, so a WebSocket's lines cannot be told from others")

    free = [at for at, name in enumerate(names) if _FREE.fullmatch(name)]

    def parse(line: str) -> LogLine | None:
        line = line.rstrip("\r\n")
        for middle in (len(names) - 1, *free):
            values = _cut(line, between, middle)
            if values is not None:
                named = zip(names, values, strict=True)
                known = {name: value for name, value in named if value not in ("", "-")}
                found = _known_line(known, duration)
                if found is not None:
                    return found
        return None

    return parse


def _cut(line: str, between: list[str], middle: int) -> list[str] | None:
    """The values: those before number `middle` from the left, those behind it from the right."""
    at, end = len(between[0]), len(line) - len(between[-1])
    if not line.startswith(between[0]) or not line.endswith(between[-1]):
        return None
    before, behind = [], []
    for text in between[1 : middle + 1]:
        found = line.find(text, at, end)
        if found < 0:
            return None
        before.append(line[at:found])
        at = found + len(text)
    for text in reversed(between[middle + 1 : -1]):
        found = line.rfind(text, at, end)
        if found < 0:
            return None
        behind.append(line[found + len(text) : end])
        end = found
    return [*before, line[at:end], *reversed(behind)] if at <= end else None


def _known_line(known: dict[str, str], duration: str) -> LogLine | None:
    """What the values say; None: a status or a duration that is none, so it is not this format."""
    stream = duration == "session_time"  # nginx's stream module: TCP, and a status of its own
    status = known.get("status", "")
    if not stream and _STATUS.fullmatch(status) is None:
        return None
    lasted_s = None
    if duration in known:  # of several upstreams, the last one's
        lasted = known[duration].replace(":", ",").rpartition(",")[2].strip()
        if _SECONDS.fullmatch(lasted) is None:
            return None
        lasted_s = float(lasted)
    ended = None
    if _MSEC.fullmatch(known.get("msec", "")) is not None:
        ended = float(known["msec"])
    elif "time_iso8601" in known:
        ended = iso_time(known["time_iso8601"])
    elif "time_local" in known:
        ended = clf_time(known["time_local"])
    path, version = request_line(known.get("request", ""))
    path = path or known.get("request_uri") or known.get("uri")
    client, port = known.get("remote_addr"), known.get("remote_port")
    scheme = known.get("scheme")
    return LogLine(
        None if stream else int(status),
        lasted_s,
        None if ended is None or lasted_s is None else ended - lasted_s,
        client=f"{client}:{port}" if client and port else client,
        host=known.get("http_host") or known.get("host"),
        path=path,
        version=version,
        scheme="wss" if scheme == "https" else "ws" if scheme == "http" else None,
    )
