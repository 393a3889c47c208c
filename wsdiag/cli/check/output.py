"""What `check` writes: records as they come, the view at the end, and reports for CI servers."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wsdiag.cli.check.options import CheckFormat
from wsdiag.cli.exit import leave_quietly
from wsdiag.whole_file import write_whole

if TYPE_CHECKING:
    from wsdiag.probes.check.runner import EndpointReport
    from wsdiag.records import CheckResult, CheckSummary, Error
    from wsdiag.render.base.terminal import Terminal


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


@dataclass(slots=True)
class Printer:
    """Collects reports, prints those that can be printed at once, and the rest at the end.

    When nobody reads stdout any more the run goes on: its exit code and --junit are still wanted.
    """

    terminal: Terminal
    format: CheckFormat
    junit: Path | None
    began: float = field(default_factory=time.monotonic)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    results: list[CheckResult] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    _stopped_accepting: list[str] = field(default_factory=list)
    lost: bool = False

    def take(self, report: EndpointReport) -> None:
        """One endpoint is done."""
        self.results += report.results
        if report.error is not None:
            self.errors.append(report.error)
        if report.stopped_accepting:
            self._stopped_accepting.append(report.endpoint.url)
        if self.format == "json":
            from wsdiag.render.base.output import concludes

            for record in [*([report.error] if report.error else []), *report.results]:
                if concludes(record) or not self.terminal.quiet:
                    self._out(partial(self.terminal.json, record))

    def finish(self) -> None:
        """Print what is left, and write the files."""
        from wsdiag.probes.check.summary import summarize

        took_s = time.monotonic() - self.began
        summary = summarize(self.results, took_s, unreachable=len(self.errors))
        cleaned = [self.terminal.clean(result) for result in self.results]
        if self.format == "json":
            self._out(partial(self.terminal.json, summary))
        elif self.format == "text":
            self._text(summary)
        elif self.format == "github":
            self._github(cleaned, summary)
        from wsdiag.render.base.record_log import log_records
        from wsdiag.render.check.view import save_checks

        self._junit(cleaned)
        save_checks(self.terminal, self.results, summary)
        log_records(self.terminal, *self.errors, *self.results, summary)

    def _out(self, write: Callable[[], None]) -> None:
        if self.lost:
            return
        try:
            write()
        except OSError as error:
            self.lost = True  # a full disk, say: nobody chose that
            leave_quietly()
            self.terminal.log(f"error: cannot write to stdout: {error.strerror}")

    def _text(self, summary: CheckSummary) -> None:
        from wsdiag.render.check.view import print_checks

        self._out(lambda: print_checks(self.terminal, self.results, summary))
        self._suspect()

    def _suspect(self) -> None:
        """An endpoint that took no more connections: the reason behind many missing results."""
        for url in dict.fromkeys(self._stopped_accepting):
            self.terminal.log(
                f"hint: {self.terminal.text(url)} took no more connections during the checks: it "
                "may have crashed on what it was sent, or it limits its clients. Check that it "
                "still runs, and its log."
            )

    def _junit(self, cleaned: list[CheckResult]) -> None:
        from wsdiag.render.check.junit import junit_xml

        if self.format != "junit" and self.junit is None:
            return
        report = junit_xml(cleaned, began=self.started, hostname=platform.node())
        if self.format == "junit":
            self._out(lambda: self.terminal.line(report.rstrip("\n")))
        if self.junit is not None:
            with self.terminal.writing(self.junit):
                write_whole(self.junit, report.encode())

    def _github(self, cleaned: list[CheckResult], summary: CheckSummary) -> None:
        from wsdiag.render.check.github import annotation_lines, step_summary

        for line in annotation_lines(cleaned, summary):
            self._out(partial(self.terminal.line, line))
        if place := os.environ.get("GITHUB_STEP_SUMMARY"):
            # optional: the verdict is the same without it
            try:
                _append(Path(place), step_summary(cleaned, summary))
            except OSError as error:
                self.terminal.log(f"error: cannot write {place}: {error.strerror}")
