"""What a command loads before it answers: start-up, held without a clock."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import wsdiag


async def loaded_by(line: list[str]) -> set[str]:
    """The modules that a command has loaded when it ends."""
    program = (
        "import sys, json, atexit\n"
        "out = sys.stdout\n"
        "atexit.register(lambda: sys.stderr.write('\\nLOADED' + json.dumps(list(sys.modules))))\n"
        f"sys.argv[1:] = {line!r}\n"
        "from wsdiag.cli.main import run\n"
        "run()\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said
    return set(json.loads(said.decode().rpartition("LOADED")[2]))


async def ping_once() -> set[str]:
    async with wsdiag.serve() as server:
        return await loaded_by(["ping", "-c", "1", "-o", "json", f"{server.url}/echo"])


def loaded_by_typer() -> set[str]:
    """What the reader of the command line costs, whatever we do."""
    program = "import sys, typer; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", program], text=True).split())


def test_a_ping_that_writes_json_loads_neither_rich_nor_other_commands() -> None:
    loaded = asyncio.run(ping_once())
    assert "wsdiag.probes.ping.pinger" in loaded
    unwanted = (
        "pydantic",
        "rich",
        "tomllib",
        "ipaddress",
        "importlib.metadata",
        "email",
        "pathlib",
        "urllib.parse",
        "ctypes",
        "random",
        "zlib",
        "encodings.idna",
        "wsdiag.server",
        "wsdiag.probes.check",
        "wsdiag.probes.idle.run",
        "wsdiag.probes.connect.run",
        "wsdiag.judgement.diagnosis.hints",
        "wsdiag.probes.ping.load",
        "wsdiag.records.idle",
        "wsdiag.records.check",
        "wsdiag.transport.trace",
        "wsdiag.transport.tls.x509",
        "wsdiag.transport.tls.trust",
        "wsdiag.protocol.deflate",
        "wsdiag.cli.reference",
        "wsdiag.cli.check",
        "wsdiag.cli.password_prompt",
    )
    found = {m for m in loaded if any(m == u or m.startswith(f"{u}.") for u in unwanted)}
    assert not found - loaded_by_typer()
    commands = {m for m in loaded if m.startswith("wsdiag.cli.commands.")}
    assert commands == {"wsdiag.cli.commands.ping"}


def test_the_version_loads_nothing_of_the_rest() -> None:
    loaded = asyncio.run(loaded_by(["--version"]))
    assert {m for m in loaded if m.startswith("wsdiag")} == {
        "wsdiag",
        "wsdiag._lazy",
        "wsdiag.cli",
        "wsdiag.cli.exit",
        "wsdiag.cli.main",
        "wsdiag.exit_codes",
        "wsdiag.version",
    }
    assert not {"asyncio", "typer", "rich"} & loaded
