"""What a path's rows mean together, in sentences: no more than they show."""

from __future__ import annotations

from collections.abc import Sequence

from wsdiag.records import PathHop, PathMethod
from wsdiag.units import format_percent

_LOSING_PCT = 20.0
_FEWEST = 5
_DETOUR = 2
_SHOWN = 4


def path_notes(
    rows: Sequence[PathHop],
    *,
    proxy: str | None,
    method: PathMethod | None,
    refused: tuple[int, str] | None = None,
) -> list[str]:
    """What to know about these hops; `proxy`: its URL, where TCP ends at one.

    `refused`: the least hop limit that somebody did not let pass, and who.
    """
    notes = []
    if proxy is not None:
        notes.append(
            f"Traced to the proxy {proxy}, where TCP ends; of what is behind it only the "
            "endpoint's answer to Pings is measured."
        )
    if any(row.other_flow for row in rows):
        notes.append(
            "Addresses of routers were learnt by SYNs beside the connection: another flow, which "
            "may take another path."
        )
    routers = [row for row in rows if row.kind == "router"]
    notes += [*_silent(routers), *_uncounted(rows)]
    notes += [*_limited(rows), *_several(routers), *_detours(rows)]
    renamed = [str(row.hop) for row in routers if row.nat and row.received and not row.address]
    if renamed:
        notes.append(
            f"Answers from hop {', '.join(renamed)} come in the name of the address where TCP "
            "ends: the machine with that address hands the connection on (a container's published "
            "port, a load balancer), or a NAT on the way, or this machine's own, translates them, "
            "and hides who they are from."
        )
    nats = [row.hop for row in routers if row.nat and row.address]
    if nats:
        notes.append(
            f"Hop {nats[0]} quotes other addresses, or another checksum, than were sent: something "
            "before it translates (N)."
        )
    end = next((row for row in rows if row.kind == "tcp-end"), None)
    if refused is not None:
        notes.append(
            f"{refused[1]} does not let packets with such small hop limits pass (ICMP Destination "
            f"Unreachable from a hop limit of {refused[0]} on): what is behind it cannot be asked."
        )
    elif end is not None and end.hop is None and method is not None:
        notes.append(
            "How many hops there are was not found: the end of TCP did not answer what asked it."
        )
    return notes


def _silent(routers: Sequence[PathHop]) -> list[str]:
    silent = [row.hop for row in routers if row.hop and row.sent and not row.received]
    if not silent:
        return []
    if len(silent) == 1:
        return [
            f"Hop {silent[0]} did not answer: it sends no ICMP errors, or few of them, or they do "
            "not come back."
        ]
    return [
        f"Hops {_ranges(silent)} did not answer: they send no ICMP errors, or few of them, or "
        "these do not come back."
    ]


def _ranges(numbers: Sequence[int]) -> str:
    """Rising numbers: `1, 2, 5 to 9`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )


def fewest_hops(rows: Sequence[PathHop]) -> int | None:
    """How many hops there are at least, where the end of TCP may be nearer than it was found.

    Something that drops packets with small hop limits without a word looks like as many silent
    routers before the end. None: a router right before it answered, or what is left of the end's
    own hop limit tells the same number.
    """
    end = next((row for row in rows if row.kind == "tcp-end"), None)
    if end is None or end.hop is None or end.return_hops == end.hop:
        return None
    answered = [row.hop or 0 for row in rows if row.kind == "router" and row.received]
    fewest = max(answered, default=0) + 1
    return fewest if fewest < end.hop else None


def _uncounted(rows: Sequence[PathHop]) -> list[str]:
    fewest = fewest_hops(rows)
    if fewest is None:
        return []
    end = next(row for row in rows if row.kind == "tcp-end")
    back = ""
    if end.return_hops is not None:
        back = f"; by what is left of its answers' hop limits they come back over {end.return_hops}"
    return [
        f"Where TCP ends answers packets with a hop limit of {end.hop} or more, and nothing right "
        "before it answers: routers that are silent, or fewer hops and something that drops "
        f"packets with small hop limits. There are at least {fewest} hops and at most {end.hop}"
        f"{back}."
    ]


def _limited(rows: Sequence[PathHop]) -> list[str]:
    """Routers that answer now and then, while everything behind them answers."""
    notes = []
    for number, row in enumerate(rows):
        behind = [each for each in rows[number + 1 :] if each.kind in ("router", "tcp-end")]
        least = min((each.loss_pct or 0.0 for each in behind if each.received), default=None)
        loss = row.loss_pct
        if row.kind != "router" or not row.received or loss is None or least is None:
            continue
        if row.sent >= _FEWEST and loss >= _LOSING_PCT and least <= loss / 4:
            notes.append(
                f"Hop {row.hop} leaves {format_percent(loss)} unanswered, but what is behind it "
                "does not: it limits its ICMP errors; nothing is lost there."
            )
    return notes


def _several(routers: Sequence[PathHop]) -> list[str]:
    return [
        f"Hop {row.hop} answered as {' and '.join(row.addresses)}: the path changed, or one router "
        "has several addresses."
        for row in routers
        if len(row.addresses) > 1 and not row.other_flow
    ]


def _detours(rows: Sequence[PathHop]) -> list[str]:
    """Answers that passed more or fewer routers than lie between, the end of TCP's too."""
    kinds = ("router", "tcp-end") if fewest_hops(rows) is None else ("router",)
    found = [
        f"hop {row.hop} over {row.return_hops}"
        for row in rows
        if row.kind in kinds
        and row.hop is not None
        and row.return_hops is not None
        and abs(row.return_hops - row.hop) >= _DETOUR
    ]
    if not found:
        return []
    more = ["…"] if len(found) > _SHOWN else []
    said = ", ".join([*found[:_SHOWN], *more])
    return [
        "By what is left of their hop limits, answers seem to come over other numbers of hops than "
        f"lie between ({said}): another way back, or a device on the way rewrites hop limits, and "
        "then hops may be hidden."
    ]
