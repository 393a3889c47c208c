"""Several outputs of one run."""

from __future__ import annotations

import pytest

from wsdiag.render.base.output import EventOutput, Tee


class Noted(EventOutput):
    def __init__(self, fault: OSError | None = None) -> None:
        self.finished, self.fault = 0, fault

    def handle(self, event: object) -> None:
        pass

    def finish(self) -> None:
        self.finished += 1
        if self.fault is not None:
            raise self.fault


def test_each_is_finished_though_another_cannot_be() -> None:
    full, after = Noted(OSError(28, "No space left on device")), Noted()
    with pytest.raises(OSError, match="No space"):
        Tee(full, after).finish()
    assert (full.finished, after.finished) == (1, 1)
