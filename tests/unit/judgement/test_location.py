"""Where a flow died: a bracket that holds the device, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wsdiag.judgement.verdict.location import hops_to_confirm, locate, location_sentences
from wsdiag.records import Drop, IdleTrial, TracedHop
from wsdiag.records.base import OtherSender

END = 5


def address(hop: int) -> str:
    return f"10.9.{hop}.2"


AGAIN = {hop: [address(hop)] for hop in range(1, END + 1)}


def flow(
    answering: Sequence[int],
    *,
    silent: Sequence[int] = (),
    reset: Sequence[int] = (),
    asked: int = 6,
    path: str = "10.9",
) -> tuple[TracedHop, ...]:
    """Hops of a dead flow of which these still answer; `silent` ones never did."""
    return tuple(
        TracedHop(
            hop,
            "tcp-end" if hop == END else "router",
            () if hop in silent else (address(hop).replace("10.9", path),),
            1 if hop in answering else asked,
            int(hop in answering),
            hop in reset,
        )
        for hop in range(1, END + 1)
    )


def trial(hops: tuple[TracedHop, ...] | None, **more: Any) -> IdleTrial:
    values: dict[str, Any] = {"outcome": "silent", "drop": Drop("silent", 5.0)} | more
    return IdleTrial(
        url="ws://x", trial="idle", idle_for_s=5.0, interval_s=None, idle_s=5.0, hops=hops, **values
    )


def place(*trials: IdleTrial, again: Any = AGAIN) -> tuple[int, int] | None:
    found = locate(trials, again)
    return None if found is None else (found.after_hop, found.before_hop)


def test_the_last_that_answers_and_the_first_that_does_not() -> None:
    found = locate([trial(flow([1, 2]))], AGAIN)
    assert found is not None
    assert (found.after_hop, found.before_hop, found.method) == (2, 3, "segment")
    assert found.addresses == ("10.9.2.2", "10.9.3.2")
    first = location_sentences(found)[0]
    assert first == (
        "The flow died at hop 2 (10.9.2.2) or on the way to hop 3 (10.9.3.2): "
        "a device there forgot it."
    )


def test_before_the_first_router_and_before_the_end() -> None:
    found = locate([trial(flow([]))], AGAIN)
    assert found is not None
    assert (found.after_hop, found.before_hop, found.addresses) == (0, 1, (None, "10.9.1.2"))
    assert "this machine" in location_sentences(found)[0]
    assert place(trial(flow([1, 2, 3, 4]))) == (4, 5)


def test_a_hop_that_never_answers_widens_the_bracket_and_is_named() -> None:
    found = locate([trial(flow([1, 2], silent=[3]))], AGAIN)
    assert found is not None
    assert (found.after_hop, found.before_hop) == (2, 4)
    assert found.addresses == ("10.9.2.2", None, "10.9.4.2")
    assert any("Hop 3 never answers" in said for said in found.evidence)
    assert place(trial(flow([1, 3], silent=[2]))) == (3, 4)


def test_a_flow_whose_far_end_answers_did_not_die() -> None:
    assert place(trial(flow([1, 2, 3, 4, 5]))) is None
    assert place(trial(flow([5]))) is None


def test_one_answer_on_any_dead_flow_shows_that_flows_get_there() -> None:
    # hop 3 leaves half unanswered, and this time all that the first flow asked
    assert place(trial(flow([1, 2])), trial(flow([1, 2, 3]))) == (3, 4)


def test_nothing_without_an_answer_on_a_connection_opened_afterwards() -> None:
    hops = trial(flow([1, 2]))
    assert place(hops, again=None) is None
    assert place(hops, again={}) is None
    others = AGAIN | {3: ["10.8.3.2"], 4: [], 5: []}
    assert place(hops, again=others) is None
    assert place(hops, again=AGAIN | {3: []}) == (2, 4)  # a hop that proves nothing is passed over


def test_nothing_of_a_hop_that_was_hardly_asked() -> None:
    assert place(trial(flow([1, 2], asked=2))) is None


def test_flows_on_several_paths_are_not_mixed() -> None:
    one, other = trial(flow([1, 2, 3])), trial(flow([1], path="10.7"))
    again = {hop: [address(hop), f"10.7.{hop}.2"] for hop in range(1, END + 1)}
    assert place(one, other, again=again) is None  # they contradict each other
    same = trial(flow([1, 2, 3], path="10.7"))
    assert place(one, same, again=again) == (3, 4)


def test_a_reset_instead_of_an_answer() -> None:
    dropped = {"outcome": "dropped", "after_write": True, "drop": Drop("rst-on-write", 5.0)}
    found = locate([trial(flow([1, 2], reset=[3, 4, 5], asked=1), **dropped)], AGAIN)
    assert found is not None
    assert (found.after_hop, found.before_hop) == (2, 3)
    assert "a RST answers them instead" in found.evidence[0]


def test_flows_that_were_picked_up_again_or_not_asked_do_not_count() -> None:
    assert place(trial(flow([1, 2]), late_pong_s=11.0)) is None
    assert place(trial(None)) is None
    assert place(trial(flow([1, 2]), outcome="alive", drop=None)) is None


def test_what_is_to_be_asked_again_is_what_fell_silent() -> None:
    assert hops_to_confirm([trial(flow([1, 2], silent=[4]))]) == {3: {"10.9.3.2"}, 5: {"10.9.5.2"}}
    assert hops_to_confirm([trial(None)]) == {}


def test_who_reset_in_the_endpoints_name() -> None:
    drop = Drop("rst", 60.0, sent_from=OtherSender(1, 4))
    routers = tuple(TracedHop(hop, "router", (address(hop),)) for hop in range(1, END))
    hops = (*routers, TracedHop(END, "tcp-end", (address(END),)))
    found = locate([trial(hops, outcome="dropped", drop=drop)], None)
    assert found is not None
    assert (found.after_hop, found.before_hop, found.method) == (1, 2, "hop-limit")
    assert found.addresses == ("10.9.1.2", "10.9.2.2")
    assert "passed 1 router, the endpoint's packets 4" in found.evidence[0]
    elsewhere = Drop("rst", 60.0, sent_from=OtherSender(2, 4))
    several = [trial(hops, outcome="dropped", drop=each) for each in (drop, elsewhere)]
    assert locate(several, None) is None


def test_routers_on_the_way_back_are_no_hops_where_it_is_another_way() -> None:
    drop = Drop("rst", 60.0, sent_from=OtherSender(1, 3))  # the endpoint is hop 5
    routers = tuple(TracedHop(hop, "router", (address(hop),)) for hop in range(1, END))
    whole = (*routers, TracedHop(END, "tcp-end", (address(END),)))
    assert locate([trial(whole, outcome="dropped", drop=drop)], None) is None
    assert locate([trial(routers, outcome="dropped", drop=drop)], None) is None
    assert locate([trial(None, outcome="dropped", drop=drop)], None) is None
