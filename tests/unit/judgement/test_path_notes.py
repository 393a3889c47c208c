"""What a path's rows mean together, and no more."""

from __future__ import annotations

from wsdiag.judgement.hops import other_sender
from wsdiag.judgement.path_notes import fewest_hops, path_notes
from wsdiag.probes.path.rows import HopRow
from wsdiag.records import PathHop


def row(hop: int, sent: int = 10, received: int = 10, **more: object) -> PathHop:
    loss = 100 * (sent - received) / sent
    values: dict[str, object] = {"address": f"10.9.{hop}.2", "addresses": (f"10.9.{hop}.2",)}
    values |= {"sent": sent, "received": received, "loss_pct": loss, "return_hops": hop}
    return PathHop(url="ws://x", hop=hop, **(values | more))  # type: ignore[arg-type]


END = row(4, kind="tcp-end")


def notes(*rows: PathHop, proxy: str | None = None) -> str:
    return " ".join(path_notes([*rows, END], proxy=proxy, method="segment"))


def test_a_path_without_anything_odd_has_no_notes() -> None:
    assert notes(row(1), row(2), row(3)) == ""


def test_silent_routers_are_named() -> None:
    assert "Hop 2 did not answer" in notes(row(1), row(2, received=0), row(3))
    assert "Hops 1, 3 did not answer" in notes(row(1, received=0), row(2), row(3, received=0))


def test_a_router_that_limits_its_answers_loses_nothing() -> None:
    assert "Hop 2 leaves 50% unanswered" in notes(row(1), row(2, received=5), row(3))
    # where everything behind it loses as much, that is loss
    lossy = [row(hop, received=5) for hop in (2, 3)]
    end = row(4, received=5, kind="tcp-end")
    assert path_notes([row(1), *lossy, end], proxy=None, method="segment") == []
    assert notes(row(1), row(2, sent=2, received=1), row(3)) == ""  # too few to tell


def test_two_addresses_a_translation_and_another_way_back() -> None:
    both = notes(row(2, addresses=("10.9.2.2", "10.8.2.2")))
    assert "Hop 2 answered as 10.9.2.2 and 10.8.2.2" in both
    assert "Hop 3 quotes other addresses" in notes(row(2), row(3, nat=True))
    assert "(hop 3 over 6): another way back" in notes(row(3, return_hops=6))
    end = row(4, kind="tcp-end", return_hops=7)
    said = path_notes([row(3), end], proxy=None, method="segment")
    assert any("(hop 4 over 7)" in each and "hops may be hidden" in each for each in said)
    assert notes(row(3, return_hops=4)) == ""


def test_where_tcp_ends_at_a_proxy_that_is_said() -> None:
    assert "Traced to the proxy http://p:3128" in notes(row(1), proxy="http://p:3128")


def test_a_reset_from_elsewhere_is_told_by_two_hops_or_more() -> None:
    found = other_sender(63, {60: 9, 61: 1})
    assert found is not None
    assert (found.hops, found.usual_hops, found.usual_limit) == (1, 3, 61)
    assert other_sender(61, {60: 9}) is None
    assert other_sender(251, {60: 9}) is None  # another start, the same distance
    assert other_sender(None, {60: 9}) is None
    assert other_sender(63, {}) is None


def test_routers_in_the_name_of_the_end_are_unknown() -> None:
    hidden = {"nat": True, "address": None, "addresses": ()}
    said = notes(row(1), row(2, **hidden), row(3, **hidden))
    assert "Answers from hop 2, 3 come in the name of the address where TCP ends" in said
    assert "quotes other addresses" not in said


def test_a_router_that_answers_as_the_end_is_not_named_so() -> None:
    hop = HopRow("router", 2, "10.9.4.2")
    hop.sent = 1
    hop.answered(0.1, "10.9.4.2")
    record = hop.record("ws://x", 1, None)
    assert (record.address, record.addresses, record.nat, record.received) == (None, (), True, 1)


def test_an_end_behind_nothing_but_silence_is_at_most_there() -> None:
    silent = [row(hop, received=0, address=None, addresses=()) for hop in range(3, 9)]
    rows = [row(1), row(2), *silent]
    for back, counted in ((9, False), (5, True), (None, True)):
        end = row(9, kind="tcp-end", return_hops=back)
        said = path_notes([*rows, end], proxy=None, method="segment")
        assert said[0].startswith("Hops 3 to 8 did not answer")
        assert any("at least 3 hops and at most 9" in each for each in said) is counted
        assert fewest_hops([*rows, end]) == (3 if counted else None)
        assert any("they come back over 5." in each for each in said) is (back == 5)
        assert not any("another way back" in each for each in said)
    assert fewest_hops([row(1, received=0), row(2), row(3, kind="tcp-end")]) is None
