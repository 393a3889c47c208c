"""Tools a test may need and a machine may lack: a skip with a reason, or a failure under CI."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

# Debian keeps daemons where an ordinary user's PATH does not look; packages of Python's have theirs
# beside the interpreter.
SEARCH = os.pathsep.join(
    [
        os.environ.get("PATH", ""),
        "/usr/local/sbin",
        "/usr/sbin",
        "/sbin",
        str(Path(sys.executable).parent),
    ]
)
INSTALL = {
    "ip": "iproute2",
    "nft": "nftables",
    "node": "nodejs",
    "danted": "dante-server",
    "promtool": "prometheus",
    "openssl": "openssl",
}


def under_ci() -> bool:
    """Whether this is a CI run, where a missing tool is a failure and not a reason to skip."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def missing(reason: str) -> NoReturn:
    """End the running test: skipped, or failed under CI, for `reason`."""
    if under_ci():
        pytest.fail(f"CI must have this: {reason}", pytrace=False)
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """The absolute path of the command `name`; without it the test is skipped (fails under CI)."""
    path = shutil.which(name, path=SEARCH)
    if path is None:
        missing(f"{name} is not installed (Debian: apt-get install {INSTALL.get(name, name)})")
    return path


def packaged(name: str) -> str:
    """A program that the `dev` extra installs beside this Python."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        missing(f"{name} is not installed (pip install 'wsdiag[dev]')")
    return str(path)


@functools.cache
def _netns_error() -> str | None:
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    ip = shutil.which("ip", path=SEARCH)
    if ip is None:
        return "ip is not installed (Debian: apt-get install iproute2)"
    name = f"wsd{os.getpid()}probe"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, timeout=10)
    if made.returncode:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "del", name], capture_output=True, timeout=10)
    return None


def require_root_netns() -> None:
    """Skip (fail under CI) unless this process may make network namespaces."""
    error = _netns_error()
    if error is not None:
        missing(error)


@functools.cache
def _node_path(node: str) -> str | None:
    candidates = [os.environ.get("WSDIAG_NODE_MODULES", ""), os.environ.get("NODE_PATH", "")]
    for candidate in candidates:
        if candidate and (Path(candidate) / "ws" / "package.json").exists():
            return candidate
    found = subprocess.run(
        [node, "-p", "require('path').dirname(require.resolve('ws/package.json'))"],
        capture_output=True,
        text=True,
        timeout=20,
    )
    return str(Path(found.stdout.strip()).parent) if found.returncode == 0 else None


def require_node_ws() -> dict[str, str]:
    """An environment in which Node.js finds the `ws` package (and `wscat`, where installed)."""
    path = _node_path(require_tool("node"))
    if path is None:
        missing(
            "Node.js has no `ws` package (npm install ws wscat; WSDIAG_NODE_MODULES=…/node_modules)"
        )
    return {"NODE_PATH": path}


def require_node_package(*names: str) -> dict[str, str]:
    """An environment in which Node.js finds these packages beside `ws`."""
    env = require_node_ws()
    gone = [n for n in names if not (Path(env["NODE_PATH"]) / n / "package.json").exists()]
    if gone:
        missing(f"Node.js has no {', '.join(gone)} (npm install {' '.join(gone)}, beside ws)")
    return env
