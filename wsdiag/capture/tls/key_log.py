"""TLS secrets in the NSS key log format, which browsers, curl and OpenSSL write to SSLKEYLOGFILE.

One secret a line: a label, the random of its ClientHello, the secret, all in hexadecimal. Secrets
that do not open records (exporters, ECH) are left out. A file that is being written is read on
when a secret is not found: a capture that is judged live is often ahead of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Label = Literal[
    "CLIENT_RANDOM",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
]
_NUMBERS: dict[bytes, int] = {
    b"CLIENT_RANDOM": 0,
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET": 1,
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET": 2,
    b"CLIENT_TRAFFIC_SECRET_0": 3,
    b"SERVER_TRAFFIC_SECRET_0": 4,
}
_SIZES = (48, 32)
"""Bytes of a master secret, and of any secret of a suite with SHA-384; with SHA-256."""
MOST_SECRETS = 250_000
"""As many are kept, the latest ones: some 60 MB."""
_READ = 1 << 20
_LONGEST_LINE = 4096


class KeyLog:
    """Secrets by label and client random; `path`: a file to read them from. OSError."""

    def __init__(self, path: Path | None = None) -> None:
        self._secrets: dict[tuple[int, bytes], bytes] = {}
        self._path, self._offset, self._rest = path, 0, b""
        self.lines = 0
        """How many lines were secrets of the format, those of no use here included."""
        self.unreadable = 0
        """How many were something else, empty lines and comments not counted."""
        if path is not None:
            self._read_on(path)

    def add(self, text: bytes) -> None:
        """Take in the lines of a key log, as a pcapng file carries them."""
        for line in text.splitlines():
            self._line(line)

    def secret(self, label: Label, client_random: bytes) -> bytes | None:
        """The secret, or None where the log does not have it (yet)."""
        key = (_NUMBERS[label.encode()], client_random)
        found = self._secrets.get(key)
        if found is None and self._path is not None:
            try:
                self._read_on(self._path)
            except OSError:
                return None  # it was there at the start: what it had is known
            found = self._secrets.get(key)
        return found

    def _read_on(self, path: Path) -> None:
        with path.open("rb") as file:
            file.seek(self._offset)
            while data := file.read(_READ):
                self._offset += len(data)
                *lines, self._rest = (self._rest + data).split(b"\n")
                self._rest = self._rest[:_LONGEST_LINE]
                for line in lines:
                    self._line(line)
        if _secret(self._rest) is not None:  # the last line, without its end
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if not line or line.startswith(b"#"):
            return
        parts = _secret(line)
        if parts is None:
            self.unreadable += 1
            return
        self.lines += 1
        label, client_random, secret = parts
        number = _NUMBERS.get(label)
        if number is None:
            return
        if len(self._secrets) >= MOST_SECRETS:
            del self._secrets[next(iter(self._secrets))]
        self._secrets[number, client_random] = secret


def _secret(line: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Label, client random and secret; None for anything that is not such a line."""
    if len(line) > _LONGEST_LINE:
        return None
    parts = line.split()
    if len(parts) != 3 or not parts[0].replace(b"_", b"").isalnum():
        return None
    label, client_random, secret = parts
    try:
        random_bytes = bytes.fromhex(client_random.decode("ascii"))
        secret_bytes = bytes.fromhex(secret.decode("ascii"))
    except ValueError:
        return None
    usual = label not in _NUMBERS or (len(random_bytes) == 32 and len(secret_bytes) in _SIZES)
    return (label, random_bytes, secret_bytes) if usual else None
