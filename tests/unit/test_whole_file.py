"""A file is the old one, the new one or absent, whatever happens while it is written."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
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


def fail_to_replace(monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    def replace(_self: Path, _target: Path) -> Path:
        raise error

    monkeypatch.setattr(Path, "replace", replace)


def test_a_write_that_fails_leaves_the_old_one_and_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    fail_to_replace(monkeypatch, OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left") as caught:
        write_whole(path, b"new")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


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
    # a file that was mounted into a container
    fail_to_replace(monkeypatch, OSError(16, "Device or resource busy"))
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


DESCRIPTORS = """
import pathlib, sys
from wsdiag.whole_file import write_whole
print("before")
write_whole(pathlib.Path(sys.argv[1]), b"data\\n")
print("after")
"""


@pytest.mark.skipif(not os.path.exists("/dev/stdout"), reason="needs /dev/stdout")
@pytest.mark.parametrize("way", ["/dev/stdout", "/dev/fd/1", "link"])
@pytest.mark.parametrize("into", ["file", "pipe"])
def test_an_open_descriptor_is_written_to(tmp_path: Path, way: str, into: str) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", DESCRIPTORS, str(tmp_path / way)]
    if into == "pipe":
        ran = subprocess.run(command, capture_output=True, timeout=60)
        got = ran.stdout
    else:
        with (tmp_path / "out").open("wb") as out:
            ran = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60)
        got = (tmp_path / "out").read_bytes()
    assert (ran.stderr, got) == (b"", b"before\ndata\nafter\n")


def test_a_link_that_leads_to_itself_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(link, b"data")
    assert link.is_symlink()


def _as_nobody(path: Path) -> None:
    """Write `path` as a user who owns nothing there."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                write_whole(path, b"new")
            except PermissionError:
                os._exit(13)
            os._exit(0)
        os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 13)
    if code:
        raise PermissionError


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that everybody may write to, and reach."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield Path(name)


needs_root = pytest.mark.skipif(
    os.name == "nt" or os.geteuid() != 0, reason="needs root, to be another user"
)


@needs_root
def test_a_file_that_may_not_be_written_is_not_replaced(shared: Path) -> None:
    path = shared / "file"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with pytest.raises(PermissionError):
        _as_nobody(path)
    assert path.read_bytes() == b"old"


@needs_root
@pytest.mark.parametrize("directory", [0o777, 0o755])
def test_a_file_of_somebody_else_stays_theirs(shared: Path, directory: int) -> None:
    path = shared / "file"
    path.write_bytes(b"old")
    path.chmod(0o666)
    shared.chmod(directory)
    _as_nobody(path)
    assert path.read_bytes() == b"new"
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (0, 0o666)
    assert list(shared.iterdir()) == [path]


@needs_root
def test_root_leaves_a_file_to_its_owner(shared: Path) -> None:
    path = shared / "file"
    path.write_bytes(b"old")
    os.chown(path, 65534, 65534)
    write_whole(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_the_file_beside_has_a_name_of_its_own_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = set()
    replace = Path.replace

    def note(self: Path, target: Path) -> Path:
        names.add(self.name)  # two containers on one volume are both process 1
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", note)
    for _ in range(3):
        write_whole(tmp_path / "file", b"data")
    assert len(names) == 3
