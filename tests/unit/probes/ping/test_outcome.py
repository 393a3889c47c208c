"""Exit codes of `ping`, as a table."""

from __future__ import annotations

import pytest

from wsdiag.judgement.summary import summarise
from wsdiag.judgement.totals import PingTotals
from wsdiag.probes.ping.outcome import ping_exit_code
from wsdiag.records import PingSummary, Threshold

HOLDS = Threshold("max-p95", 250.0, 48.0, True)
BROKEN = Threshold("max-p95", 25.0, 48.0, False)


def summary(
    sent: int, received: int, lost: int = 0, drops: int = 0, limits: tuple[Threshold, ...] = ()
) -> PingSummary:
    totals = PingTotals(sent=sent, received=received, lost=lost, drops=drops)
    made = summarise("ws://a.test/", totals, {}, 1.0)
    return PingSummary(
        **{**{f: getattr(made, f) for f in PingSummary.__slots__}, "thresholds": limits}
    )


DONE = summary(5, 5)
SLOW = summary(5, 5, limits=(BROKEN,))
NEVER = summary(0, 0)

CASES = [
    ("all answered", [summary(5, 5)], {}, 0),
    ("some lost, no limit on it", [summary(5, 3, 2)], {}, 0),
    ("nothing answered", [summary(5, 0, 5)], {}, 1),
    ("never connected", [summary(0, 0)], {}, 1),
    ("no summary at all", [], {}, 1),
    ("the connection was lost", [summary(5, 4, 1, 1)], {}, 1),
    ("the connection was lost and replaced", [summary(5, 4, 1, 1)], {"reconnect": True}, 0),
    ("fewer than the count before the deadline", [summary(5, 4)], {"count": 5, "deadline": 9}, 1),
    ("the count before the deadline", [summary(6, 5, 1)], {"count": 5, "deadline": 9}, 0),
    ("fewer than the count, no deadline", [summary(5, 4, 1)], {"count": 5}, 0),
    ("a limit holds", [summary(5, 5, limits=(HOLDS,))], {}, 0),
    ("a limit is broken", [summary(5, 5, limits=(HOLDS, BROKEN))], {}, 3),
    ("a limit is broken, another URL fails", [SLOW, NEVER], {}, 1),
    ("a limit is broken on the second URL", [DONE, SLOW], {}, 3),
    ("interrupted with something measured", [summary(5, 5)], {"interrupted": True}, 0),
    ("interrupted with a limit broken", [SLOW], {"interrupted": True}, 3),
    ("interrupted before anything", [summary(1, 0)], {"interrupted": True}, 130),
    ("interrupted before a connection", [summary(0, 0)], {"interrupted": True}, 130),
    ("interrupted after losses only", [summary(3, 0, 2)], {"interrupted": True}, 1),
    (
        "interrupted short of the count",
        [summary(4, 4)],
        {"interrupted": True, "count": 9, "deadline": 60},
        0,
    ),
]


@pytest.mark.parametrize(
    ("summaries", "options", "code"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_exit_codes(summaries: list[PingSummary], options: dict[str, object], code: int) -> None:
    assert ping_exit_code(summaries, **options) == code  # type: ignore[arg-type]
