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
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from wsdiag.cli.check.options import CheckFlags, RetryFlags, RunFlags, refuse_empty
from wsdiag.cli.check.toml_lines import Lines, find_lines
from wsdiag.cli.declare import command
from wsdiag.cli.options import OutputOptions, RequestOptions
from wsdiag.probes.check.options import Endpoint

_VARIABLE = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_NAME = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_LONG = re.compile(r"--([a-z0-9-]+)")
_ANY_URL = "wss://localhost"
Table = dict[str, Any]


@command()
def endpoint(
    url: Annotated[str, typer.Option("--url")],
    flags: CheckFlags,
    retry: RetryFlags,
    request: RequestOptions,
    ctx: typer.Context,
    name: Annotated[str | None, typer.Option("--name")] = None,
) -> None:
    """A table of the file, read with the very options of the command line, into `ctx.obj`."""
    check = flags.options()
    refuse_empty(check)
    ctx.obj = Endpoint(
        url=url,
        name=name,
        dial=request.dial(compression=True),
        check=check,
        retry=retry.retry,
        retry_delay_s=retry.retry_delay_s,
    )


@command()
def of_the_run(output: OutputOptions, run: RunFlags) -> None:
    """What is about the run and not about an endpoint: for the command line only."""


def _by_key(made: TyperCommand) -> dict[str, Any]:
    return {
        name[2:]: parameter
        for parameter in made.params
        for name in parameter.opts
        if name.startswith("--") and name != "--help"
    }


ENDPOINT_OPTIONS = _by_key(endpoint)
"""The options that a table may have, by their keys."""
_RUN_OPTIONS = _by_key(of_the_run)


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
        raise CheckFileError(path, [_syntax_error(error, text)]) from None
    reader = _Reader(find_lines(text), environ)
    endpoints = reader.read(document)
    if reader.problems:
        raise CheckFileError(path, reader.problems)
    return CheckFile(endpoints, reader.secrets)


def _syntax_error(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    message = str(error)
    place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if place is None:  # at the end of the document
        return text.rstrip().count("\n") + 1, message
    return int(place[1]), f"{message[: place.start()]} (column {place[2]})"


class _Reader:
    """Walks a document; problems are collected, so that one run shows them all."""

    def __init__(self, lines: Lines, environ: Mapping[str, str]) -> None:
        self._lines, self._environ = lines, environ
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
                self._problem(("defaults", key), f"{key} must be in an [[endpoint]]")
        return self._table(("defaults",), table)

    def _table(self, place: tuple[str | int, ...], table: Table) -> Table:
        """The table's known options with ${NAME} filled in."""
        good: Table = {}
        for key, value in table.items():
            if place == ("defaults",) and key in ("name", "url"):
                continue  # refused already
            problem = _refusal(key, value)
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
        if not own.get("url"):
            if "url" not in table:
                self._problem(place, "this [[endpoint]] has no url")
            own["url"] = _ANY_URL  # the other mistakes of this table are told all the same
        values = {**_fitting(defaults, own), **own}
        while True:  # an option's complaint hides those of the others
            try:
                endpoint = _parse(values)
                return endpoint if len(self.problems) == before else None
            except typer.BadParameter as error:
                key, message = _complaint(error)
            where = (*place, key) if key in own else ("defaults", key)
            self._problem(where if key in values else place, message)
            if values.pop(key, None) is None:
                return None
            values.setdefault("url", _ANY_URL)

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
    if "expect-status" in own:
        out |= {flag.removeprefix("--") for flag in options_that_need_an_upgrade()}
    if str(own["url"]).lower().startswith(("ws://", "http://")):
        out.add("cert-days")
    return {key: value for key, value in defaults.items() if key not in out}


def _complaint(error: typer.BadParameter) -> tuple[str, str]:
    """(key, message) of a usage error, whether an option's type or a rule of ours complained."""
    names = " ".join(error.param.opts) if error.param is not None else str(error.param_hint or "")
    long = _LONG.search(names)
    key = long[1] if long else ""
    return key, f"{key}: {error.message}" if key else error.message


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key.replace("_", "-").lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _refusal(key: str, value: Any) -> str | None:
    """Why a key cannot have this value, before the option itself looks at it."""
    if key in _RUN_OPTIONS:
        return f"{key!r} belongs on the command line: it is about the run"
    if key in ("url", "name") and not isinstance(value, str):
        return f"{key} must be a string"
    option = ENDPOINT_OPTIONS.get(key)
    if option is None:
        return f"unknown {key!r}{_nearest(key, list(ENDPOINT_OPTIONS))}"
    if option.is_flag:
        return None if isinstance(value, bool) else f"{key} must be true or false"
    if option.multiple:
        good = isinstance(value, list) and all(_is_plain(each) for each in value)
        return None if good or _is_plain(value) else f"{key} must be a list of strings"
    return None if _is_plain(value) else f"{key} must be a string or a number"


def _parse(values: Table) -> Endpoint:
    """The endpoint of a table; a usage error of typer's."""
    from wsdiag.transport.dial.target import Target, UrlError

    try:
        Target.parse(str(values["url"]))
    except UrlError as error:
        raise typer.BadParameter(error.message, param_hint="--url") from None
    line = [word for key, value in values.items() for word in _words(key, value)]
    with endpoint.make_context("check", line) as ctx:
        endpoint.invoke(ctx)
    read: Endpoint = ctx.obj
    return read


def _words(key: str, value: Any) -> list[str]:
    """A table's member as words of a command line."""
    if isinstance(value, bool):
        negated = [name for name in ENDPOINT_OPTIONS[key].secondary_opts if name[:5] == "--no-"]
        return [f"--{key}"] if value else negated
    return [f"--{key}={each}" for each in (value if isinstance(value, list) else [value])]
