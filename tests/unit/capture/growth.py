"""How much more work twice the input is, on a machine that is busy with other tests."""

from __future__ import annotations

import time
from collections.abc import Callable


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """`work(4 * size)` takes four times as long as `work(size)`, and not sixteen.

    Processor time, the best of three: what was once fast is not slow by itself.
    """

    def took(count: int) -> float:
        times = []
        for _ in range(3):
            begun = time.process_time()
            work(count)
            times.append(time.process_time() - begun)
        return min(times)

    assert took(4 * size) < 10 * max(took(size), 0.02)
