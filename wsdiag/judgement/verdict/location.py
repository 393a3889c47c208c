"""Where on the way idle flows died, from the hops of each: a bracket, and never more than it bears.

A hop that still answers on the dead flow forwards it, or at least sees it: routers look at the hop
limit before they filter, so the device that forgot the flow may be the last hop that answers. The
first that no longer does lies behind the device, or is it. Both belong to the bracket.

What else may silence a hop is excluded, or the bracket gets wider:

* Loss, and limits on ICMP errors. Every hop was asked several times, and all flows that died alike
  count together: one answer anywhere shows that flows get there dead.
* A hop that never answers proves nothing. Only one counts that answered on the same flow while it
  lived, and answers again on a connection that was opened afterwards.
* A changed path. Where that connection sees others at the hop, nothing is said of it.
* A flow whose far end still answers did not die on the way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsdiag.records import IdleTrial, Location, TracedHop
from wsdiag.units import counted

_LEAST_ASKED = 3


def locate(
    trials: Sequence[IdleTrial], again: Mapping[int, Sequence[str]] | None
) -> Location | None:
    """The bracket in which idle flows died; None: what was asked does not show one.

    `again`: who answered at each hop on connections opened afterwards.
    """
    dead = _dead(trials)
    if dead and again:
        found = [each for hops in _alike(dead) if (each := _bracket(hops, again)) is not None]
        # Flows that took several paths: the one that says most, as long as none says otherwise.
        found.sort(key=lambda place: place.before_hop - place.after_hop)
        if found and all(_overlap(found[0], other) for other in found):
            return found[0]
    return _injected(trials)


def hops_to_confirm(trials: Sequence[IdleTrial]) -> dict[int, set[str]]:
    """The hops that fell silent when flows died, and who they were: asked again, do they answer?"""
    wanted: dict[int, set[str]] = {}
    for trial in _dead(trials):
        hops = trial.hops or ()
        last = max((hop.hop for hop in hops if hop.answered), default=0)
        for hop in hops:
            if hop.hop > last and hop.live and hop.asked:
                wanted.setdefault(hop.hop, set()).update(hop.live)
    return wanted


def location_sentences(location: Location | None) -> list[str]:
    """The place in a sentence, and what it rests on."""
    return [] if location is None else [_place(location), *location.evidence]


def _place(location: Location) -> str:
    first, last = location.addresses[0], location.addresses[-1]
    before = f"hop {location.before_hop}" + (f" ({last})" if last else "")
    if location.method == "hop-limit":
        return (
            f"The {_kind(location)} came from hop {location.before_hop}, or from the way there: "
            "not from the endpoint."
        )
    if location.after_hop == 0:
        return (
            f"The flow died on this machine or on the way to {before}: something here or there "
            "forgot it."
        )
    after = f"hop {location.after_hop}" + (f" ({first})" if first else "")
    return f"The flow died at {after} or on the way to {before}: a device there forgot it."


def _kind(location: Location) -> str:
    return "FIN" if location.evidence and "FIN" in location.evidence[0] else "RST"


def _dead(trials: Sequence[IdleTrial]) -> list[IdleTrial]:
    """Idle connections that were found dead, and whose hops were asked then."""
    return [
        trial
        for trial in trials
        if trial.trial == "idle"
        and (trial.outcome == "silent" or (trial.outcome == "dropped" and trial.after_write))
        and trial.late_pong_s is None
        and any(hop.asked for hop in trial.hops or ())
    ]


def _alike(trials: Sequence[IdleTrial]) -> list[list[TracedHop]]:
    """The trials' hops, of those put together that took the same path as far as can be seen."""
    groups: list[list[Sequence[TracedHop]]] = []
    for trial in trials:
        hops = trial.hops or ()
        for group in groups:
            if _same_path(group[0], hops):
                group.append(hops)
                break
        else:
            groups.append([hops])
    return [_merged(group) for group in groups]


def _same_path(one: Sequence[TracedHop], other: Sequence[TracedHop]) -> bool:
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(
        not a.live or not b.live or set(a.live) & set(b.live) for a, b in pairs
    )


def _merged(group: Sequence[Sequence[TracedHop]]) -> list[TracedHop]:
    return [
        TracedHop(
            hops[0].hop,
            hops[0].kind,
            tuple(dict.fromkeys(address for hop in hops for address in hop.live)),
            sum(hop.asked for hop in hops),
            sum(hop.answered for hop in hops),
            any(hop.reset for hop in hops),
        )
        for hops in zip(*group, strict=True)
    ]


def _bracket(hops: Sequence[TracedHop], again: Mapping[int, Sequence[str]]) -> Location | None:
    answered = [hop for hop in hops if hop.answered]
    if any(hop.kind == "tcp-end" for hop in answered):
        return None  # the far end's TCP knows the flow
    after = max((hop.hop for hop in answered), default=0)
    behind = [hop for hop in hops if hop.hop > after]
    before = next((hop for hop in behind if _fell_silent(hop, again)), None)
    if before is None:
        return None
    between = [hop for hop in behind if hop.hop < before.hop]
    span = [hop for hop in hops if after <= hop.hop <= before.hop]
    addresses = [None] if after == 0 else []
    return Location(
        after,
        before.hop,
        (*addresses, *(_address(hop, hops[-1]) for hop in span)),
        "segment",
        (_asked(before, after), *_unasked(between, again)),
    )


def _address(hop: TracedHop, last: TracedHop) -> str | None:
    """Who is at a hop; a NAT may put the address where TCP ends in the place of a router's."""
    if hop.kind == "router" and last.kind == "tcp-end" and hop.live[:1] == last.live[:1]:
        return None
    return hop.live[0] if hop.live else None


def _fell_silent(hop: TracedHop, again: Mapping[int, Sequence[str]]) -> bool:
    """Whether a hop answered while the flow lived, answers now, and did not on the dead flow."""
    asked_enough = hop.asked >= _LEAST_ASKED or hop.reset
    return bool(set(hop.live) & set(again.get(hop.hop, ()))) and asked_enough


def _asked(before: TracedHop, after: int) -> str:
    what = "where TCP ends" if before.kind == "tcp-end" else "the next"
    what = f"hop {before.hop}, {what}," if before.hop == after + 1 else f"hop {before.hop}"
    still = "Nobody on the way" if after == 0 else f"Hop {after}"
    said = f"{still} still answers copies of the lost segment" if after else f"{still} answers them"
    if before.reset:
        return f"{said}; to {what} they do not come: a RST answers them instead."
    often = counted(before.asked, "time")
    back = (
        ", in a firewall of its own, or on the way back from it" if before.kind == "tcp-end" else ""
    )
    return (
        f"{said}; {what} did not answer any more, asked {often}, and answers on a new "
        f"connection{', so they are lost before it' + back if back else ''}."
    )


def _unasked(between: Sequence[TracedHop], again: Mapping[int, Sequence[str]]) -> list[str]:
    """What is said of hops inside the bracket that prove nothing."""
    never = [str(hop.hop) for hop in between if not hop.live]
    gone = [str(hop.hop) for hop in between if hop.live and not _confirmed(hop, again)]
    said = []
    if never:
        who = (
            f"Hop {never[0]} never answers"
            if len(never) == 1
            else f"Hops {', '.join(never)} never answer"
        )
        said.append(f"{who}, so the place is no narrower than that.")
    if gone:
        said.append(
            f"Hop {', '.join(gone)} does not answer on a new connection either: the path changed, "
            "or it limits its answers, so it proves nothing."
        )
    return said


def _confirmed(hop: TracedHop, again: Mapping[int, Sequence[str]]) -> bool:
    return bool(set(hop.live) & set(again.get(hop.hop, ())))


def _overlap(one: Location, other: Location) -> bool:
    return one.after_hop <= other.before_hop and other.after_hop <= one.before_hop


def _injected(trials: Sequence[IdleTrial]) -> Location | None:
    """Who ended idle connections in the endpoint's name: where, by the packets' hop limits.

    These count routers on the way back. They number hops of the way out only where the endpoint is
    as far away by its own packets as by its hop: else the ways differ, or a device on them rewrites
    hop limits.
    """
    senders = [
        (trial.drop.sent_from, trial.drop.how)
        for trial in trials
        if trial.trial == "idle" and trial.drop is not None and trial.drop.sent_from is not None
    ]
    if not senders or len({sender.hops for sender, _ in senders}) > 1:
        return None
    sender, how = senders[0]
    hops = next((t.hops for t in trials if t.hops and t.hops[-1].kind == "tcp-end"), ())
    if not hops or hops[-1].hop != sender.usual_hops + 1:
        return None
    addresses = {hop.hop: hop.live[0] for hop in hops if hop.live}
    kind = "FIN" if how in ("fin", "tls-eof") else "RST"
    span = (sender.hops, sender.hops + 1)
    return Location(
        *span,
        tuple(addresses.get(hop) for hop in span),
        "hop-limit",
        (
            f"The {kind} passed {counted(sender.hops, 'router')}, the endpoint's packets "
            f"{sender.usual_hops}: injected on the way.",
        ),
    )
