"""Every option of every command, and every environment variable, with values that make no sense.

    python -m tests.attack.options [SHARE]      a SHARE (0 to 1, default 1) of all combinations

Each run must end by an exit code of the contract, without "this is a defect", and a usage error
must name the option. Nobody listens at the endpoint. Commands are run in this process.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import typer

from wsdiag.cli.app import app
from wsdiag.cli.listing import COMMANDS
from wsdiag.cli.reference.model import Flag, describe

NOT_UTF8 = os.fsdecode(b"\xff\xfe\x00"[:2])
CORPUS = (
    *("", " ", "-", "--", "-1", "0", "1e999", "nan", "inf", "²", "1" * 5000, "00008065536", "0x10"),
    *("a", "é", "\u202e", "\x1b[2J", "a\nb", "a\rb", NOT_UTF8, "%", "%00", "${", "$(id)", "`id`"),
    *("a:b", "a=b", ":", "=", "a,b", "[", "(", "(" * 5000, "*", "[::1%25%00]", "x:³", ".x", "x."),
    *(
        "://",
        "ws://",
        "http://a:b@c:1/",
        "socks5://x:99999",
        "@",
        "@/nowhere",
        "/",
        "/dev/null",
        ".",
    ),
    *(
        "/proc/self/mem",
        "a" * 300,
        "a" * 65536,
        "é" * 20000,
        "a." * 30000,
        "," * 60000,
        "\\" * 60000,
    ),
    *('{"a":', "[" * 60000, "=+cmd", "10.0.0.0/99", "1-2-3", "1:2:3", "a:1:b", "1..2"),
)
VARIABLES = (
    *("NO_PROXY", "no_proxy", "WS_PROXY", "WSS_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    *("COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "LANG", "LC_ALL", "SSLKEYLOGFILE"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC", "HOME", "TMPDIR", "WSDIAG_CONTROL_TOKEN"),
    *("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "CI", "PAGER", "XDG_CONFIG_HOME"),
)
URL = "ws://127.0.0.1:1/"
BASE = {
    "connect": [URL, "--connect-timeout", "1s"],
    "ping": [URL, "-c", "1", "-w", "1s"],
    "idle-probe": [URL, "--from", "100ms", "--to", "100ms", "-m", "2s"],
    "stream": [URL, "-w", "1s"],
    "path": [URL, "-c", "1", "-m", "2s"],
    "check": [URL],
    "explain": ["access.log"],
    "serve": ["--host", "192.0.2.1"],  # which is not an address of this machine
    "exporter": ["-f", "one.toml", "--listen", "192.0.2.1:1"],
}
"""A command that is not here is run with what it is given alone: `help`, `completion`."""
FILES = {
    "access.log": '192.0.2.7 - - [28/Nov/2026:03:00:07 +0000] "GET /a HTTP/1.1" 101 5 "-" "a" 1\n',
    "one.toml": f'[[endpoint]]\nname = "a"\nurl = "{URL}"\n',
}
SKIPPED = {("demo", None), ("serve", "--host")}
OF_A_FILE = ("No such file or directory", "Is a directory", "File name too long")
CODES = {0, 1, 2, 3, 130}
LIMIT_S = 20


class Hung(BaseException):
    """A run took longer than `LIMIT_S`."""


def _hung(_number: int, _frame: object) -> NoReturn:
    raise Hung


def run(args: list[str], env: dict[str, str]) -> tuple[int | str, str]:
    """(exit code or what went wrong, all output) of one command in this process."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    before, argv = dict(os.environ), sys.argv
    os.environ.update(env)
    sys.argv = ["wsdiag", *args]
    signal.signal(signal.SIGALRM, _hung)
    signal.alarm(LIMIT_S)
    code: int | str
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            app(args, prog_name="wsdiag")
            code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except Hung:
        code = f"not over after {LIMIT_S} s"
    except BrokenPipeError:
        code = 0
    except OSError as error:
        # the boundary of the script tells of files by their names, and of disks
        code = (
            1
            if error.filename is not None or error.errno == errno.EIO
            else f"{type(error).__name__}: {error}"
        )
    except BaseException as error:
        code = f"{type(error).__name__}: {error!s:.200}"
    finally:
        signal.alarm(0)
        sys.argv = argv
        os.environ.clear()
        os.environ.update(before)
    out.flush()
    return code, out.buffer.getvalue().decode("utf-8", "replace")  # type: ignore[attr-defined]


def cases() -> Iterator[tuple[str, Flag | None, list[str], dict[str, str]]]:
    """(command, option, arguments, environment) of each run."""
    line = describe(typer.main.get_command(app))
    for command in line.commands:
        if (command.name, None) in SKIPPED or command.name not in COMMANDS:
            continue
        base = BASE.get(command.name, [])
        for flag in command.flags:
            if not flag.takes_value or {(command.name, name) for name in flag.names} & SKIPPED:
                continue
            name = flag.names[-1]
            for value in CORPUS:
                given = [f"{name}={value}"] if name.startswith("--") else [name, value]
                yield command.name, flag, [command.name, *base, *given], {}
        for value in CORPUS:
            yield command.name, None, [command.name, value, *base[1:]], {}
        for name in VARIABLES:
            for value in CORPUS:
                if "\0" not in value and len(value) < 100_000:
                    yield command.name, None, [command.name, *base], {name: value}


def problem(flag: Flag | None, code: int | str, output: str) -> str | None:
    """What is wrong with a run's end; None: nothing."""
    if code not in CODES:
        return str(code)
    if "bug in wsdiag" in output or "Traceback" in output:
        return "a defect"
    if code == 2 and flag is not None and not any(name in output for name in flag.names):
        if any(words in output for words in OF_A_FILE):
            return None  # the file is named, which says more
        return f"a usage error that does not name {flag.names[-1]}"
    return None


def attack(share: float, seed: int = 0) -> tuple[int, list[str]]:
    """(runs, problems), in a temporary directory."""
    chosen, done, found = random.Random(seed), 0, []
    home = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, text in FILES.items():
            Path(name).write_text(text)
        try:
            for command, flag, args, env in cases():
                if chosen.random() >= share:
                    continue
                code, output = run(args, env)
                done += 1
                if (wrong := problem(flag, code, output)) is not None:
                    shown = " ".join(f"{each!a:.60}" for each in [*env.items(), *args[1:]])
                    found.append(f"{command} {shown}: {wrong}")
        finally:
            os.chdir(home)
    return done, found


def main() -> int:
    began = time.monotonic()
    done, found = attack(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    print("\n".join(found))
    print(f"{done} runs in {time.monotonic() - began:.0f} s, {len(found)} problems")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
