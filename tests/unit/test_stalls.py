"""What may have failed by the machine runs again; what failed without that does not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.stalls import ALL_CORES, Stalls

pytest_plugins = ["pytester"]

FAILS_TWICE = """
    import pytest

    tries, made = [], []

    @pytest.fixture(scope="module")
    def shared():
        made.append(1)
        yield len(made)

    def test_it(shared):
        tries.append(shared)
        assert len(tries) == 3, tries

    def test_fixtures_were_made_anew():
        assert tries == [1, 2, 3]
"""


class Still(Stalls):
    """The machine stood still for `late_s`, whenever one asks."""

    late_s = 0.3

    def worst_s(self, since_s: float) -> float:
        return self.late_s


class Awake(Still):
    late_s = 0.0


@pytest.mark.parametrize(
    ("machine", "passed", "failed"), [(Still, 2, 0), (Awake, 0, 2)], ids=["stood still", "awake"]
)
def test_only_where_the_machine_stood_still_a_test_runs_again(
    pytester: pytest.Pytester, machine: type[Still], passed: int, failed: int
) -> None:
    pytester.makepyfile(FAILS_TWICE)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", plugins=[machine(pytester.path)]
    )
    result.assert_outcomes(passed=passed, failed=failed)
    told = result.stdout.str().count("::test_it: late by 0.30 s")
    assert told == (2 if passed else 0)


def test_a_failure_that_may_be_the_machines_counts_the_third_time(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        "from tests.stalls import Repeatable\ntries = []\n"
        "def test_it():\n    tries.append(1)\n"
        "    if len(tries) < 3:\n        raise Repeatable('51 ms')\n"
        "def test_that():\n    raise Repeatable('52 ms')\n"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[Awake(pytester.path)])
    result.assert_outcomes(passed=1, failed=1)
    assert result.stdout.str().count("::test_it: 51 ms") == 2


def test_the_third_failure_counts(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("tries = []\ndef test_it():\n    tries.append(1)\n    assert not tries")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[Still(pytester.path)])
    result.assert_outcomes(failed=1)


def test_other_places_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILS_TWICE)
    elsewhere = Still(pytester.path / "elsewhere")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", plugins=[elsewhere])
    result.assert_outcomes(failed=2)


def test_a_stall_is_noted_for_all_workers(tmp_path: Path) -> None:
    now, naps = [100.0], iter([0.01, 0.26, 0.01])

    def sleep(_: float) -> None:
        now[0] += next(naps, 0.01)
        if now[0] > 100.25:
            stalls.pytest_sessionfinish()

    stalls = Stalls(tmp_path, sleep, lambda: now[0])
    elsewhere = Stalls(tmp_path)
    stalls.notes, elsewhere.notes = (tmp_path / "one",), (tmp_path / "two", tmp_path / "one")
    args = (tmp_path / "one", ALL_CORES)  # a thread: it keeps to these cores
    thread = threading.Thread(target=stalls._watch, args=args)
    thread.start()
    thread.join()
    for each in (stalls, elsewhere):
        assert each.worst_s(100.0) == pytest.approx(0.25)
        assert each.worst_s(100.3) == 0.0
