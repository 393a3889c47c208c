"""What the figures of a run depend on: the machine, the interpreter, and the peers' versions."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

LIBRARIES = ("websockets", "wsproto", "aiohttp")
PROGRAMS = (("websocat", "--version"), ("wsstat", "--version"), ("node", "--version"))
NODE_PACKAGES = ("ws", "wscat")


def description() -> str:
    """One sentence: processor, cores, kernel, Python, and every peer that is installed."""
    peers = ", ".join([*_libraries(), *_programs(), *_node_packages()])
    cores = os.cpu_count() or 1
    return (
        f"{_processor()}, {cores} core{'s' * (cores > 1)}, {platform.system()} "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}; {peers}"
    )


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", path.read_text()) if path.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue


def _programs() -> Iterator[str]:
    for name, option in PROGRAMS:
        if shutil.which(name) is not None:
            told = subprocess.run([name, option], capture_output=True, text=True, timeout=30)
            version = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
            yield f"{name} {version[0]}" if version else name


def _node_packages() -> Iterator[str]:
    folder = os.environ.get("WSDIAG_NODE_MODULES")
    for name in NODE_PACKAGES if folder else ():
        manifest = Path(folder or "", name, "package.json")
        if manifest.exists():
            version = re.search(r'"version":\s*"([^"]+)"', manifest.read_text())
            yield f"{name} {version[1]}" if version else name
