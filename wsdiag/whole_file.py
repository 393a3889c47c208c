"""Files that are there as a whole or not at all, whatever ends the program that writes them."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

# Nothing may be made beside it, or it is a mount of its own (a file that a container is given).
_IN_PLACE_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV)


def write_whole(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part. OSError.

    A pipe or a device is written to. A link stays, and leads to the new file. `mode`: its
    permissions; None: those of the old file, or as usual.
    """
    real = Path(os.path.realpath(path))
    try:
        old = real.stat() if real.exists() else None
        if old is not None and not real.is_file():
            real.write_bytes(data)
            return
        try:
            _replace(real, data, old, mode)
        except OSError as error:
            if old is None or error.errno not in _IN_PLACE_ONLY:
                raise
            real.write_bytes(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from None


def _replace(path: Path, data: bytes, old: os.stat_result | None, mode: int | None) -> None:
    beside = path.with_name(f".wsdiag-{os.getpid()}")
    try:
        beside.write_bytes(data)
        if old is not None:
            with suppress(OSError, AttributeError):  # not ours to give, or Windows
                os.chown(beside, old.st_uid, old.st_gid)
            mode = old.st_mode & 0o777 if mode is None else mode
        if mode is not None:
            beside.chmod(mode)
        beside.replace(path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
