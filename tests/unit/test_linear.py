"""What reads a peer's text, a URL, a file or an option takes time in proportion to it.

All texts are tried at 4 kB. What is quadratic is slow there already, so the slowest ones are then
enlarged. `python -m tests.attack.readers` doubles them from 4 kB to 1 MB, and recordings that mean
harm as well, of which 4 kB are only the beginning.
"""

from __future__ import annotations

import pytest

from tests.attack.readers import DOUBLING, READERS, UNITS, cpu_s, made_of, texts

SMALL, LARGE, LARGEST = 1 << 12, 1 << 15, 1 << 17
LONG_S = 0.1
NOTICED_S = 0.02
"""Less is not worth a look: a busy machine's caches make as much of a difference."""


def is_linear(reader: str, unit: str, size: int) -> bool:
    read, large = READERS[reader], made_of(unit, size)
    limit = DOUBLING ** (size // SMALL).bit_length() / DOUBLING
    took = cpu_s(read, large)
    if took < max(NOTICED_S, limit * cpu_s(read, made_of(unit, SMALL))):
        return True
    return cpu_s(read, large, 2) < limit * max(cpu_s(read, made_of(unit, SMALL), 5), 1e-4)


@pytest.mark.parametrize("reader", [name for name in READERS if "recording:" not in name])
def test_it_is_linear(reader: str) -> None:
    slowest = sorted(texts(reader), key=lambda unit: cpu_s(READERS[reader], made_of(unit, SMALL)))[
        -3:
    ]
    assert [unit for unit in slowest if not is_linear(reader, unit, LARGE)] == []
    if cpu_s(READERS[reader], made_of(slowest[-1], LARGE)) < LONG_S:
        assert is_linear(reader, slowest[-1], LARGEST)


def test_what_is_not_would_be_noticed() -> None:
    READERS["quadratic"] = lambda text: [text.count("\0", at) for at in range(0, len(text), 8)]
    try:
        assert not is_linear("quadratic", "a", LARGEST)  # far above what is noticed
    finally:
        del READERS["quadratic"]


@pytest.mark.parametrize("reader", [name for name in READERS if name.startswith("redaction: t")])
def test_sixty_kilobytes_are_masked_at_once(reader: str) -> None:
    for unit in UNITS:
        assert cpu_s(READERS[reader], made_of(unit, 61440), 3) < 0.15, unit
