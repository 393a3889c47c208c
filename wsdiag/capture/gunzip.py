"""gzip seen through, as it comes: a stream may be a pipe, and may break anywhere."""

from __future__ import annotations

import gzip
import io
import zlib


class Gunzipped(io.RawIOBase):
    """A gzip stream that ends where it breaks; `broken` says where and why."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._counted = _Counted(stream)
        self._file = gzip.GzipFile(fileobj=self._counted, mode="rb")
        self.broken: tuple[str, int] | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """As much as one read of what is below gives."""
        if self.broken is not None:
            return 0
        try:
            data = self._file.read1(len(buffer))
        except EOFError:
            self.broken = ("the gzip stream was cut off", self._counted.offset)
            return 0
        except (gzip.BadGzipFile, zlib.error) as error:
            self.broken = (f"the gzip stream is broken ({error})", self._counted.offset)
            return 0
        buffer[: len(data)] = data
        return len(data)


class _Counted(io.RawIOBase):
    """A stream that counts what was read of it; bytes as they come, as a pipe is not waited for."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read1(len(buffer))
        buffer[: len(data)] = data
        self.offset += len(data)
        return len(data)
