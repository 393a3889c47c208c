"""The file of `check -f`: TOML, checked against the options themselves, errors with their lines.

[defaults]                      # any option by its long name
max-p95 = "250ms"
[[endpoint]]
name = "chat"
url = "wss://${HOST}/chat"      # ${NAME} from the environment, $${ for a plain ${
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wsdiag.cli.check_options import (
    NEEDS_UPGRADE,
    Retry,
    check_options,
    refuse_empty,
    retry_options,
)
from wsdiag.cli.inject import injects
from wsdiag.cli.options import request_options
from wsdiag.cli.toml_lines import Lines, find_lines
from wsdiag.transport.dial.options import DialOptions

if TYPE_CHECKING:
    from wsdiag.probes.check.options import CheckOptions, Endpoint

# click's class under whichever name typer ships it
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_LONG = re.compile(r"--([a-z0-9-]+)")
# For the command line only: they are about the run, not about an endpoint.
_OF_THE_RUN = frozenset(
    {
        "output",
        "junit",
        "quiet",
        "verbose",
        "color",
        "save",
        "trace",
        "show-secrets",
        "jobs",
        "file",
        "list-checks",
    }
)

Table = dict[str, Any]


class CheckFileError(Exception):
    """Everything that is wrong with a file: (line or None, message) each."""

    def __init__(self, path: Path, problems: Sequence[tuple[int | None, str]]) -> None:
        super().__init__(str(path))
        self.path, self.problems = path, problems

    def lines(self) -> list[str]:
        """`FILE:LINE: what is wrong`, one a problem, in the order of the file."""
        ordered = sorted(self.problems, key=lambda p: p[0] or 0)
        return [
            f"{self.path}:{line}: {said}" if line else f"{self.path}: {said}"
            for line, said in ordered
        ]


@dataclass(slots=True)
class CheckFile:
    """What a file says: its endpoints in order, and values that must not be printed."""

    endpoints: list[Endpoint]
    secrets: list[str] = field(default_factory=list)


def read_check_file(path: Path, environ: Mapping[str, str]) -> CheckFile:
    """Read and check a file; CheckFileError with all problems."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise CheckFileError(path, [(None, error.strerror or str(error))]) from None
    except UnicodeDecodeError:
        raise CheckFileError(path, [(None, "is not UTF-8")]) from None
    except tomllib.TOMLDecodeError as error:
        raise CheckFileError(path, [_syntax_error(error)]) from None
    reader = _Reader(find_lines(text), environ)
    endpoints = reader.read(document)
    if reader.problems:
        raise CheckFileError(path, reader.problems)
    return CheckFile(endpoints, reader.secrets)


def _syntax_error(error: tomllib.TOMLDecodeError) -> tuple[int | None, str]:
    said = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", said)
    if place is None:
        return None, said
    return int(place[1]), f"{said[: place.start()]} (column {place[2]})"


class _Reader:
    """Walks a document; problems are collected, so that one run shows them all."""

    def __init__(self, lines: Lines, environ: Mapping[str, str]) -> None:
        self._lines, self._environ = lines, environ
        self._parser = _EndpointParser()
        self.problems: list[tuple[int | None, str]] = []
        self.secrets: list[str] = []

    def read(self, document: Table) -> list[Endpoint]:
        """All endpoints that are well-formed."""
        for key in document.keys() - {"defaults", "endpoint"}:
            self._problem((key,), f"unknown {key!r}{_nearest(key, ['defaults', 'endpoint'])}")
        defaults = self._defaults(document.get("defaults", {}))
        tables = document.get("endpoint", [])
        if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
            self._problem(("endpoint",), "write [[endpoint]], with two brackets")
            return []
        if not tables:
            self._problem((), "has no [[endpoint]]")
        read = [self._endpoint(index, table, defaults) for index, table in enumerate(tables)]
        self._refuse_same_names(read)
        return [endpoint for endpoint in read if endpoint is not None]

    def _defaults(self, table: Any) -> Table:
        if not isinstance(table, dict):
            self._problem(("defaults",), "[defaults] must be a table")
            return {}
        for key in ("name", "url"):
            if key in table:
                self._problem(("defaults", key), f"{key} belongs into an [[endpoint]]")
        return self._table(("defaults",), table)

    def _table(self, place: tuple[str | int, ...], table: Table) -> Table:
        """The table's known options with ${NAME} filled in."""
        good: Table = {}
        for key, value in table.items():
            problem = self._parser.refusal(key, value)
            if problem is not None:
                self._problem((*place, key), problem)
                continue
            try:
                good[key] = self._filled(value)
            except ValueError as error:
                self._problem((*place, key), str(error))
        return good

    def _endpoint(self, index: int, table: Table, defaults: Table) -> Endpoint | None:
        place = ("endpoint", index)
        before = len(self.problems)
        own = self._table(place, table)
        if len(self.problems) > before:
            return None
        if not own.get("url"):
            self._problem(place, "this [[endpoint]] has no url")
            return None
        values = {**_fitting(defaults, own), **own}
        while True:  # an option's complaint hides those of the others
            try:
                endpoint = self._parser.parse(values)
                return endpoint if len(self.problems) == before else None
            except _UsageError as error:
                key, said = _complaint(error)
            where = (*place, key) if key in own else ("defaults", key)
            self._problem(where if key in values else place, said)
            if key == "url" or values.pop(key, None) is None:
                return None

    def _refuse_same_names(self, read: Sequence[Endpoint | None]) -> None:
        seen: set[str] = set()
        for index, endpoint in enumerate(read):
            if endpoint is None:
                continue
            if endpoint.label in seen and endpoint.name is not None:
                place = ("endpoint", index, "name")
                self._problem(place, f"a second endpoint is called {endpoint.name!r}")
            elif endpoint.label in seen:
                said = "a second endpoint has this url: give it a name"
                self._problem(("endpoint", index, "url"), said)
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
    out = set(NEEDS_UPGRADE) if "expect-status" in own else set()
    if str(own["url"]).lower().startswith(("ws://", "http://")):
        out.add("cert-days")
    return {key: value for key, value in defaults.items() if key not in out}


def _complaint(error: Exception) -> tuple[str, str]:
    """(key, message) of a usage error, whether an option's type or a rule of ours complained."""
    said = str(getattr(error, "message", error))
    parameter = getattr(error, "param", None)
    names = " ".join(getattr(parameter, "opts", ())) or str(getattr(error, "param_hint", "") or "")
    long = _LONG.search(names)
    key = long[1] if long else ""
    return key, f"{key}: {said}" if key else said


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


class _EndpointParser:
    """Reads an endpoint's table with the very options of the command line."""

    def __init__(self) -> None:
        self._read: list[Endpoint] = []
        app = typer.Typer(add_completion=False)
        app.command()(self._command())
        self._parse = typer.main.get_command(app)
        self.options = {
            opt.removeprefix("--"): parameter
            for parameter in self._parse.params
            for opt in parameter.opts
            if opt.startswith("--") and opt != "--help"
        }

    def _command(self) -> Any:
        read = self._read

        @injects(check=check_options, retry=retry_options, dial=request_options)
        def endpoint(
            url: Annotated[str, typer.Option("--url")],
            check: CheckOptions,
            retry: Retry,
            dial: DialOptions,
            name: Annotated[str | None, typer.Option("--name")] = None,
        ) -> None:
            from wsdiag.probes.check.options import Endpoint

            refuse_empty(check)
            read.append(
                Endpoint(
                    url=url,
                    name=name,
                    dial=dial,
                    check=check,
                    retry=retry.times,
                    retry_delay_s=retry.delay_s,
                )
            )

        return endpoint

    def refusal(self, key: str, value: Any) -> str | None:
        """Why a key cannot have this value, before the option itself looks at it."""
        if key in _OF_THE_RUN:
            return f"{key!r} belongs on the command line: it is about the run"
        option = self.options.get(key)
        if option is None:
            return f"unknown {key!r}{_nearest(key, list(self.options))}"
        if getattr(option, "is_flag", False):
            return None if isinstance(value, bool) else f"{key} must be true or false"
        if getattr(option, "multiple", False):
            good = isinstance(value, list) and all(_is_plain(each) for each in value)
            return None if good or _is_plain(value) else f"{key} must be a list of strings"
        return None if _is_plain(value) else f"{key} must be a string or a number"

    def parse(self, values: Table) -> Endpoint:
        """The endpoint of a table; a usage error of typer's."""
        from wsdiag.transport.dial.target import Target, UrlError

        try:
            Target.parse(str(values["url"]))
        except UrlError as error:
            raise typer.BadParameter(error.message, param_hint="--url") from None
        arguments = [argument for key in values for argument in self._arguments(key, values[key])]
        self._parse.main(arguments, prog_name="check", standalone_mode=False)
        return self._read.pop()

    def _arguments(self, key: str, value: Any) -> list[str]:
        if isinstance(value, bool):
            secondary = getattr(self.options[key], "secondary_opts", ())
            return [f"--{key}"] if value else [o for o in secondary if o.startswith("--no-")]
        values = value if isinstance(value, list) else [value]
        return [f"--{key}={each}" for each in values]


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)
