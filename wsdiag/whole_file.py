"""Files that are there as a whole or not at all, whatever ends the program that writes them."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

# Nothing may be made beside it, it is a mount of its own (a file that a container is given), or
# what is made beside it cannot be given to its owner.
_IN_PLACE_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)

_DESCRIPTOR = re.compile(rf"/(?:dev|proc/(?:self|{os.getpid()}))/fd/(\d+)")


def write_whole(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part. OSError.

    A pipe, a device or a descriptor that is open (/dev/stdout) is written to. A link stays, and
    leads to the new file. `mode`: its permissions; None: those of the old file, or as usual.
    """
    try:
        if (descriptor := _descriptor(path)) is not None:
            _write_to(descriptor, data)
            return
        real = Path(os.path.realpath(path))
        try:
            old = real.stat()
        except FileNotFoundError:
            _replace(real, data, None, mode)
            return
        if not stat.S_ISREG(old.st_mode):
            real.write_bytes(data)
            return
        real.open("ab").close()  # what may not be written may not be replaced either
        try:
            _replace(real, data, old, mode)
        except OSError as error:
            if error.errno not in _IN_PLACE_ONLY:
                raise
            real.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(path: Path, data: bytes, old: os.stat_result | None, mode: int | None) -> None:
    if old is not None and mode is None:
        mode = stat.S_IMODE(old.st_mode)
    # a name that nobody can guess, and no link of somebody else's is followed
    beside = path.with_name(f".wsdiag-{secrets.token_hex(8)}")
    try:
        with open(
            beside, "xb", opener=partial(os.open, mode=0o666 if mode is None else 0o600)
        ) as new:
            new.write(data)
        if old is not None:
            made = beside.stat()
            if (made.st_uid, made.st_gid) != (old.st_uid, old.st_gid):
                os.chown(beside, old.st_uid, old.st_gid)
        if mode is not None:
            beside.chmod(mode)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _descriptor(path: Path) -> int | None:
    """The number of our own descriptor that `path` leads to, as /dev/stdout does."""
    place = os.path.abspath(path)
    for _ in range(40):  # as many links as Linux follows
        if named := _DESCRIPTOR.fullmatch(place):
            return int(named[1])
        try:
            link = os.readlink(place)
        except OSError:
            return None
        place = os.path.normpath(os.path.join(os.path.dirname(place), link))
    return None


def _write_to(descriptor: int, data: bytes) -> None:
    """Opened anew it would be emptied, or begin at its start, where it is a file."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(data)
