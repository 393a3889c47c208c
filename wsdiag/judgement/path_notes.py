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
    notes += [*_silent(routers), *_limited(rows), *_several(routers), *_detours(rows)]
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
    silent = [str(row.hop) for row in routers if row.sent and not row.received]
    if not silent:
        return []
    if len(silent) == 1:
        return [
            f"Hop {silent[0]} did not answer: it sends no ICMP errors, or few of them, or they do "
            "not come back."
        ]
    return [
        f"Hops {', '.join(silent)} did not answer: they send no ICMP errors, or few of them, or "
        "these do not come back."
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
    found = [
        f"hop {row.hop} over {row.return_hops}"
        for row in rows
        if row.kind in ("router", "tcp-end")
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
