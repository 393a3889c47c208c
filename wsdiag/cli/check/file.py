"""The file of `check -f`: TOML, checked against the options themselves, errors with their lines.

[defaults]                      # any option by its long name
max-p95 = "250ms"
[[endpoint]]
name = "chat"
url = "wss://${HOST}/chat"      # ${NAME} from the environment, $${ for a plain ${

`exporter` reads the same file, with two kinds of tables that `check` leaves alone: [exporter], and
[module.NAME], which has an endpoint's options for /probe.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from wsdiag.cli.check.tables import (
    ENDPOINT_OPTIONS,
    EXPORTER_OPTIONS,
    RUN_DEFAULTS,
    TABLES,
    WATCH_OPTIONS,
    ExporterTable,
    Options,
    Reading,
    RunDefaults,
    Table,
    WatchFlags,
    complaint,
    exporter_table,
    invoke,
    nearest,
    parse,
    refusal,
    refuse_bad_url,
    run_defaults,
)
from wsdiag.cli.check.toml_lines import Lines, find_lines
from wsdiag.probes.check.options import Endpoint

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_MOST_DOTS = 1000
_ANY_URL = "wss://localhost"


class CheckFileError(Exception):
    """Everything that is wrong with a file: (line or None, message) each."""

    def __init__(self, path: Path, problems: Sequence[tuple[int | None, str]]) -> None:
        super().__init__(str(path))
        self.path, self.problems = path, problems

    def lines(self) -> list[str]:
        """`FILE:LINE: what is wrong`, one a problem, in the order of the file."""
        ordered = sorted(self.problems, key=lambda p: p[0] or 0)
        return [
            f"{self.path}:{line}: {message}" if line else f"{self.path}: {message}"
            for line, message in ordered
        ]


@dataclass(slots=True)
class CheckFile:
    """What a file says: its endpoints in order, and values that must not be printed."""

    endpoints: list[Endpoint]
    secrets: list[str] = field(default_factory=list)
    run: RunDefaults = field(default_factory=RunDefaults)
    watch: list[WatchFlags] = field(default_factory=list)
    """How `exporter` watches each of the endpoints."""
    exporter: ExporterTable | None = None
    """For `exporter` only."""
    modules: dict[str, Endpoint] = field(default_factory=dict)
    """For `exporter` only; their urls mean nothing."""


def read_check_file(
    path: Path, environ: Mapping[str, str], reading: Reading = "check"
) -> CheckFile:
    """Read and check a file; CheckFileError with all problems."""
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_dots(path, text)
        document = tomllib.loads(text)
    except OSError as error:
        raise CheckFileError(path, [(None, error.strerror or str(error))]) from None
    except UnicodeDecodeError:
        raise CheckFileError(path, [(None, "is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise CheckFileError(path, [_syntax_error(error, text)]) from None
    reader = _Reader(find_lines(text), environ, reading)
    read = reader.read(document)
    if reader.problems:
        raise CheckFileError(path, reader.problems)
    return read


def _refuse_dots(path: Path, text: str) -> None:
    # tomllib takes quadratic time over a dotted key
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS:
            problem = f"more than {_MOST_DOTS} dots in a line; a long message may be @FILE"
            raise CheckFileError(path, [(number, problem)])


def _syntax_error(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    message = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if place is None:  # at the end of the document
        return text.rstrip().count("\n") + 1, message
    return int(place[1]), f"{message[: place.start()]} (column {place[2]})"


class _Reader:
    """Walks a document; problems are collected, so that one run shows them all."""

    def __init__(self, lines: Lines, environ: Mapping[str, str], reading: Reading) -> None:
        self._lines, self._environ, self._reading = lines, environ, reading
        self.problems: list[tuple[int | None, str]] = []
        self.secrets: list[str] = []
        self._parsed: dict[str, tuple[Endpoint, WatchFlags]] = {}

    def read(self, document: Table) -> CheckFile:
        """All that is well-formed."""
        for key in document.keys() - TABLES:
            self._problem((key,), f"unknown {key!r}{nearest(key, sorted(TABLES))}")
        read = CheckFile([], self.secrets)
        if self._reading == "exporter":
            read.exporter = self._exporter(document.get("exporter", {}))
            read.modules = self._modules(document.get("module", {}))
        defaults, read.run = self._defaults(document.get("defaults", {}))
        tables = document.get("endpoint", [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            self._problem(("endpoint",), "write [[endpoint]], with two brackets")
            return read
        if not tables and not read.modules:
            self._problem((), "has no [[endpoint]]")
        found = [self._endpoint(index, table, defaults) for index, table in enumerate(tables)]
        self._refuse_same_names([each and each[0] for each in found])
        for each in found:
            if each is not None:
                read.endpoints.append(each[0])
                read.watch.append(each[1])
        return read

    def _exporter(self, table: Any) -> ExporterTable | None:
        """[exporter]: the options of `exporter_table`, as lists where they may be repeated."""
        if not isinstance(table, dict):
            self._problem(("exporter",), "[exporter] must be a table")
            return None
        read = self._read_as(("exporter",), table, exporter_table, EXPORTER_OPTIONS)
        return read if isinstance(read, ExporterTable) else None

    def _read_as(
        self, place: tuple[str | int, ...], table: Table, made: TyperCommand, options: Options
    ) -> Any:
        """What a command that stands for a table makes of it; None where that cannot be."""
        values = self._table(place, table, options)
        while True:  # an option's complaint hides those of the others
            try:
                return invoke(made, options, values, self._reading)
            except typer.BadParameter as error:
                key, message = complaint(error)
            self._problem((*place, key), message)
            if values.pop(key, None) is None:
                return None

    def _modules(self, tables: Any) -> dict[str, Endpoint]:
        """[module.NAME]: an endpoint without a url; redirects could lead past `allow`."""
        if not isinstance(tables, dict) or not all(isinstance(t, dict) for t in tables.values()):
            self._problem(("module",), "write [module.NAME]")
            return {}
        read: dict[str, Endpoint] = {}
        for name, table in tables.items():
            place = ("module", name)
            for key in ("url", "name", "location", *WATCH_OPTIONS):
                if key in table:
                    self._problem((*place, key), f"{key!r} has no meaning in a module")
            before = len(self.problems)
            values = self._table(place, table)
            if len(self.problems) > before:
                continue
            try:
                read[name], _ = parse({"url": _ANY_URL, **values}, "check")
            except typer.BadParameter as error:
                key, message = complaint(error)
                self._problem((*place, key), message)
        return read

    def _defaults(self, table: Any) -> tuple[Table, RunDefaults]:
        """(what it says of endpoints, what it says of the run)."""
        if not isinstance(table, dict):
            self._problem(("defaults",), "[defaults] must be a table")
            return {}, RunDefaults()
        for key in ("name", "url"):
            if key in table:
                self._problem(("defaults", key), f"{key} must be in an [[endpoint]]")
        of_run = {key: table[key] for key in table if key in RUN_DEFAULTS}
        run = self._read_as(("defaults",), of_run, run_defaults, RUN_DEFAULTS)
        rest = {key: table[key] for key in table if key not in of_run}
        return self._table(("defaults",), rest), run or RunDefaults()

    def _table(
        self, place: tuple[str | int, ...], table: Table, options: Options | None = None
    ) -> Table:
        """The table's known options with ${NAME} filled in."""
        good: Table = {}
        for key, value in table.items():
            if place == ("defaults",) and key in ("name", "url"):
                continue  # refused already
            problem = refusal(key, value, ENDPOINT_OPTIONS if options is None else options)
            if problem is not None:
                self._problem((*place, key), problem)
                continue
            try:
                good[key] = self._filled(value)
            except ValueError as error:
                self._problem((*place, key), str(error))
        return good

    def _endpoint(
        self, index: int, table: Table, defaults: Table
    ) -> tuple[Endpoint, WatchFlags] | None:
        place = ("endpoint", index)
        before = len(self.problems)
        own = self._table(place, table)
        if not own.get("url"):
            if "url" not in table:
                self._problem(place, "this [[endpoint]] has no url")
            own["url"] = _ANY_URL  # the other mistakes of this table are told all the same
        values = {**_fitting(defaults, own), **own}
        while True:  # an option's complaint hides those of the others
            try:
                endpoint = self._parse_once(values)
                return endpoint if len(self.problems) == before else None
            except typer.BadParameter as error:
                key, message = complaint(error)
            where = (*place, key) if key in own else ("defaults", key)
            self._problem(where if key in values else place, message)
            if values.pop(key, None) is None:
                return None
            values.setdefault("url", _ANY_URL)

    def _parse_once(self, values: Table) -> tuple[Endpoint, WatchFlags]:
        """`parse`; a thousand tables that differ in their urls and names only are one to it."""
        own = {key: values[key] for key in ("url", "name") if key in values}
        rest = repr(sorted((key, value) for key, value in values.items() if key not in own))
        if (known := self._parsed.get(rest)) is None:
            self._parsed[rest] = found = parse(values, self._reading)
            return found
        refuse_bad_url(values)
        return replace(known[0], url=own["url"], name=own.get("name")), known[1]

    def _refuse_same_names(self, read: Sequence[Endpoint | None]) -> None:
        seen: set[str] = set()
        for index, endpoint in enumerate(read):
            if endpoint is None:
                continue
            if endpoint.label in seen and endpoint.name is not None:
                place = ("endpoint", index, "name")
                self._problem(place, f"a second endpoint is called {endpoint.name!r}")
            elif endpoint.label in seen:
                message = "a second endpoint has this url: give it a name"
                self._problem(("endpoint", index, "url"), message)
            seen.add(endpoint.label)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        return _VARIABLE.sub(self._variable, value) if isinstance(value, str) else value

    def _variable(self, match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name = match[1]
        if not _NAME.fullmatch(name):
            raise ValueError(f"${{{name}}} is not the name of a variable ($${{ is a plain ${{)")
        if name not in self._environ:
            raise ValueError(f"environment variable {name} is not set")
        if _SECRET_NAME.search(name):
            self.secrets.append(self._environ[name])
        return self._environ[name]

    def _problem(self, place: tuple[str | int, ...], message: str) -> None:
        if (problem := (self._lines.of(place), message)) not in self.problems:
            self.problems.append(problem)  # one in [defaults] shows with every endpoint


def _fitting(defaults: Table, own: Table) -> Table:
    """Defaults without those that make no sense for this endpoint: it refuses, or has no TLS."""
    from wsdiag.probes.check.registry import options_that_need_an_upgrade

    out: set[str] = set()
    if "expect-status" in own and not _opens(str(own["expect-status"]), {**defaults, **own}):
        out |= {flag.removeprefix("--") for flag in options_that_need_an_upgrade()}
    if str(own["url"]).lower().startswith(("ws://", "http://")):
        out.add("cert-days")
    return {key: value for key, value in defaults.items() if key not in out}


def _opens(statuses: str, table: Table) -> bool:
    """Whether the status that opens is among those an endpoint expects."""
    from wsdiag.probes.check.options import opening_status, parse_statuses

    version = "2" if table.get("http2") or table.get("http3") else "1.1"
    try:
        return opening_status(version) in parse_statuses(statuses)
    except ValueError:
        return False  # told with the key itself
