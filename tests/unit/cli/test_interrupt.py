"""Reading that can be stopped gives back what it took, and takes any descriptor."""

from __future__ import annotations

import os
import resource
import signal
import threading
from pathlib import Path

import pytest

from wsdiag.cli.interrupt import InterruptibleInput, interruptible


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_a_run_leaves_no_descriptors(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"abc")

    def run() -> None:
        inputs = InterruptibleInput()
        with interruptible(inputs, 60.0):
            source = inputs.open(str(place))
            assert source.read(10) == b"abc"
            source.close()

    run()
    before = descriptors()
    run()
    assert descriptors() == before


def test_descriptors_beyond_1023_are_waited_for(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip(f"only {hard} open files are allowed here")
    place = tmp_path / "file"
    place.write_bytes(b"abc")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    held = [os.open(place, os.O_RDONLY) for _ in range(1050)]
    try:
        inputs = InterruptibleInput()
        with interruptible(inputs):
            assert inputs.open(str(place)).read(10) == b"abc"
            os.kill(os.getpid(), signal.SIGINT)
            assert inputs.open(str(place)).read(10) == b""
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_fifo_is_read_and_its_wait_for_a_writer_can_be_stopped(tmp_path: Path) -> None:
    place = tmp_path / "fifo"
    os.mkfifo(place)
    inputs = InterruptibleInput()
    with interruptible(inputs):
        source = inputs.open(str(place))
        writer = os.open(place, os.O_WRONLY)
        os.write(writer, b"abc")
        assert source.read(10) == b"abc"
        os.close(writer)
        assert source.read(10) == b""
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        assert inputs.open(str(place)).read(10) == b""
        timer.join()
    assert inputs.stopped
