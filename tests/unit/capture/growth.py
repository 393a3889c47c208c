"""How much more work twice the input is, on a machine that is busy with other tests."""

from __future__ import annotations

import time
from collections.abc import Callable


def assert_linear(work: Callable[[int], object], size: int) -> None:
    """`work(2 * size)` takes no more than three times as long as `work(size)`.

    Processor time, the best of three: what was once fast is not slow by itself.
    """

    def took(count: int) -> float:
        times = []
        for _ in range(3):
            begun = time.process_time()
            work(count)
            times.append(time.process_time() - begun)
        return min(times)

    assert took(2 * size) < 3 * max(took(size), 0.02)
