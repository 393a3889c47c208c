"""The file of targets that `exporter -f` names, read as often as is asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from wsdiag.cli.command_setup import secrets_of, secrets_of_urls

if TYPE_CHECKING:
    from wsdiag.cli.check.file import CheckFile
    from wsdiag.exporter.config import ExporterConfig, ExporterTarget
    from wsdiag.render.base.terminal import Terminal


class FileSource:
    """A file of targets, read as often as is asked for."""

    def __init__(self, path: Path, masked: frozenset[str], terminal: Terminal) -> None:
        self._path, self._masked, self._terminal = path, masked, terminal
        self._was_read = False

    def signature(self) -> Hashable:
        """What changes when the file is written or replaced."""
        try:
            seen = self._path.stat()
        except OSError as error:
            return error.errno
        if stat.S_ISFIFO(seen.st_mode):  # `-f <(...)`: its times change when it is read
            return seen.st_dev, seen.st_ino
        return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns

    def read(self) -> ExporterConfig:
        """What the file says. Raises ConfigError."""
        from wsdiag.cli.check.file import CheckFileError, read_check_file
        from wsdiag.exporter.allow import Allowed
        from wsdiag.exporter.config import BUCKETS_S, ConfigError, ExporterConfig

        if self._was_read and self._path.is_fifo():  # to open it waits for a writer, for ever
            raise ConfigError(f"{self._path}: a pipe is read once, at the start")
        self._was_read = True
        try:
            read = read_check_file(self._path, os.environ, "exporter")
        except CheckFileError as error:
            raise ConfigError("\n".join(error.lines())) from None
        assert read.exporter is not None  # it was read for the exporter
        try:
            return ExporterConfig(
                targets=self._targets(read),
                modules=read.modules,
                allow=Allowed(read.exporter.allow),
                buckets_s=read.exporter.buckets_s or BUCKETS_S,
            )
        except ValueError as error:
            raise ConfigError(f"{self._path}: {error}") from None

    def _targets(self, read: CheckFile) -> tuple[ExporterTarget, ...]:
        """The endpoints that can be watched; their URLs as labels show them."""
        from wsdiag.exporter.config import ExporterTarget
        from wsdiag.render.base.redact import Redactor

        masked = self._masked.union(name.lower() for name in read.run.mask)
        secrets = list(read.secrets)
        for endpoint in (*read.endpoints, *read.modules.values()):
            secrets += secrets_of(endpoint.dial, masked)
        secrets += secrets_of_urls([each.url for each in read.endpoints], masked)
        redactor = Redactor(dict.fromkeys(secrets), names=masked)
        self._terminal.redactor = redactor
        assert read.exporter is not None
        usual = read.exporter.watch
        targets = []
        for endpoint, watch in zip(read.endpoints, read.watch, strict=True):
            if endpoint.check.must_refuse:
                continue  # it is to be refused (expect-status): there is nothing to stay in
            targets.append(
                ExporterTarget(
                    url=endpoint.url,
                    name=redactor.text(endpoint.name or ""),
                    shown_url=redactor.text(_without_userinfo(endpoint.url)),
                    dial=endpoint.dial,
                    interval_s=watch.interval_s or usual.interval_s or 1.0,
                    timeout_s=endpoint.check.timeout_s,
                    idle_probe_s=watch.idle_probe_s or usual.idle_probe_s,
                    http2_look=endpoint.check.http2_look and not usual.no_http2_look,
                    seq=endpoint.check.seq or usual.seq,
                    time=endpoint.check.time or usual.time,
                )
            )
        return tuple(targets)


def _without_userinfo(url: str) -> str:
    before, slashes, after = url.strip().partition("://")
    scheme, rest = (before, after) if slashes else ("", before)
    end = min((at for mark in "/?#" if (at := rest.find(mark)) >= 0), default=len(rest))
    return scheme + slashes + rest[:end].rpartition("@")[2] + rest[end:]
