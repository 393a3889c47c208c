"""A file is the old one, the new one or absent, whatever happens while it is written."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wsdiag.whole_file import write_whole

LONG = 1 << 22


WRITES_FOR_EVER = f"""
import itertools, pathlib, sys
from wsdiag.whole_file import write_whole
for letter in itertools.cycle((b"a", b"b")):
    write_whole(pathlib.Path(sys.argv[1]), letter * {LONG})
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_kill_leaves_it_whole(tmp_path: Path) -> None:
    path, chosen = tmp_path / "file", random.Random(1)
    for _ in range(10):
        writer = subprocess.Popen([sys.executable, "-c", WRITES_FOR_EVER, str(path)])
        path.unlink(missing_ok=True)
        until = time.monotonic() + 30
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(chosen.uniform(0, 0.05))
        writer.kill()
        writer.wait()
        data = path.read_bytes()
        assert data in (b"a" * LONG, b"b" * LONG)


def test_a_write_that_fails_leaves_the_old_one_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(Path, "write_bytes", _full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def _full(path: Path, data: bytes) -> int:
    with path.open("wb") as file:
        file.write(data[:1])
    raise OSError(28, "No space left on device", str(path))


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_whole(path, b"newer", mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_where_nothing_can_be_made_beside_it_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def busy(_self: Path, _target: Path) -> Path:
        raise OSError(16, "Device or resource busy")  # a file that was mounted into a container

    monkeypatch.setattr(Path, "replace", busy)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"data")
    reader.join(30)
    assert got == [b"data"]
