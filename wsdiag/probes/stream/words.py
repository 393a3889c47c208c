"""What a stream's figures mean: limits that hold or not, and sentences for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from wsdiag.probes.stream.key_guess import Guess
from wsdiag.probes.stream.keys import OTHERS
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.silence import Silence
from wsdiag.records import Threshold
from wsdiag.records.stops import stopped_sentence
from wsdiag.records.stream import GapKind, SilenceCause, StreamSummary
from wsdiag.transport.dial.options import LOOKED_INTO
from wsdiag.units import counted, format_duration, format_size

TOO_SLOW_PCT = 20.0
# A greeting, or the answer to a hello: so few messages, and nothing for the rest of the run.
FEW_MESSAGES, GREETED_SHARE = 3, 0.9
FEWEST_NUMBERS = 10

_DURING: dict[SilenceCause | None, str] = {
    "network": "; Pings are not answered either, nor acknowledged by TCP",
    "endpoint": "; Pings are not answered either, though TCP acknowledges them",
    "feed": "; Pings are answered",
    "local": "; wsdiag itself did not run",
    None: "",
}
_AT_THE_END: dict[SilenceCause | None, str] = {
    "feed": "the endpoint is connected and answers Pings, but its feed is dead",
    "network": "the path does not carry anything: TCP is not acknowledged",
    "endpoint": "the endpoint answers no Pings either, though its TCP acknowledges",
    "local": "wsdiag itself did not run",
    None: "its cause is not known",
}
_COUNTED: dict[SilenceCause, str] = {
    "feed": "with answered Pings meanwhile (the feed stood still, not the path)",
    "network": "with unanswered Pings and no TCP acknowledgement (network)",
    "endpoint": "with unanswered Pings that TCP had acknowledged (endpoint)",
    "local": "of wsdiag's own, which did not run (local)",
}


def silence_words(cause: SilenceCause | None, *, proxied: bool) -> str:
    """What Pings say of a silence; `proxied`: TCP ends at a proxy."""
    if cause is None and proxied:
        return "; Pings are not answered either, and TCP ends at the proxy: its cause is not known"
    return _DURING[cause]


def gap_words(kind: GapKind, expected: int, got: int, missing: int) -> str:
    """A sequence number that did not follow, in words."""
    match kind:
        case "missing":
            noun = counted(missing, "number")
            return f"{noun} missing: {got} came instead of {expected}"
        case "repeated":
            return f"{got} came again ({expected} was due)"
        case "reordered":
            return f"{got} came late ({expected} was due)"
    return f"numbers began anew: {got} came instead of {expected}"


def missed_words(missed: Mapping[str, int | None]) -> str:
    """`317 messages missed on btc, 0 on eth`: the most first, and not all of very many."""
    if all(count is None for count in missed.values()):
        return "what was missed is unknown: numbers began anew"
    told = sorted(missed.items(), key=lambda item: -(item[1] or 0))[:6]
    parts = []
    for number, (key, count) in enumerate(told):
        noun = "" if number else " messages missed" if count != 1 else " message missed"
        where = f" on {key}" if key else ""
        if count is None:
            parts.append(f"unknown{noun}{where} (numbers began anew)")
        else:
            parts.append(f"{count}{noun}{where}")
    rest = len(missed) - len(told)
    return ", ".join(parts) + (f", and {rest} more keys" if rest else "")


def thresholds(summary: StreamSummary, limits: Mapping[str, float]) -> tuple[Threshold, ...]:
    """Each limit asked for and whether it holds; what could not be measured does not hold."""
    measured = {
        "max-silence": summary.longest_silence_s,
        "max-gap": None if summary.gaps is None else float(summary.gaps.missing),
        "max-lag": _largest_lag_s(summary),
        "min-rate": summary.rate,
    }
    found = []
    for name, limit in limits.items():
        value = None if why_unmeasured(summary, name, limit) else measured[name]
        ok = value is not None and (value >= limit if name == "min-rate" else value <= limit)
        found.append(Threshold(name, limit, value, ok))
    return tuple(found)


def why_unmeasured(summary: StreamSummary, name: str, limit: float) -> str | None:
    """Why a limit cannot be judged by these figures; None where it can."""
    if name == "max-gap":
        if not summary.numbered:
            return "no message has a number"
        if not summary.compared:
            return "no number had an earlier one of its key to follow"
        if summary.suggested_by is not None or _none_follows(summary):
            return "the numbers do not follow each other"
    if name == "max-lag":
        largest_s, ahead_s = _largest_lag_s(summary), _ahead_s(summary)
        if largest_s is None:
            return "no message has a time"
        if largest_s <= limit < ahead_s:
            return f"the clocks differ by at least {format_duration(ahead_s)}"
    return None


def _ahead_s(summary: StreamSummary) -> float:
    """By how much the endpoint's clock is ahead for certain: no message came before it was made."""
    lowest_ms = None if summary.lag is None else summary.lag.min_ms
    return max(0.0, -(lowest_ms or 0.0) / 1e3)


def _largest_lag_s(summary: StreamSummary) -> float | None:
    """The largest lag, with what their clock is ahead for certain added."""
    lag_ms = None if summary.lag is None else summary.lag.max_ms
    return None if lag_ms is None else lag_ms / 1e3 + _ahead_s(summary)


def paths_without_values(
    summary: StreamSummary, options: StreamOptions, fields: int
) -> Iterator[str]:
    """A sentence for each path that led nowhere; `fields`: the messages where `field` did not."""
    if not summary.messages:
        return
    too_large = summary.too_large or 0
    if too_large:
        beside = ": of numbers that were left out there, as many are taken for theirs"
        yield (
            f"{counted(too_large, 'message')} of over {format_size(LOOKED_INTO)} "
            f"{'was' if too_large == 1 else 'were'} counted, but not looked into"
            f"{beside if options.seq is not None else ''}."
        )
    read = summary.messages - too_large
    if not read:
        return
    where = f"in any of {counted(read, 'message')}"
    if summary.not_json:
        all_of_them = summary.not_json == read
        where += " (none is JSON)" if all_of_them else f" ({summary.not_json} are not JSON)"
    keyless = options.by is not None and not summary.keys
    if keyless:
        yield f"No key at {options.by} {where}: there are no figures by key."
    if options.seq is not None and not summary.numbered:
        kind = "number with a key" if keyless else "number"
        yield (
            f"No {kind} at {options.seq} {where}: nothing is known of gaps (a sequence number is "
            "whole, of up to 64 bits, or a string of its digits)."
        )
    elif options.seq is not None and not summary.compared:
        lone = "Only one message has a number"
        if summary.numbered > 1:
            lone = f"No two numbers have the same key at {options.by}"
        yield f"{lone}: there was none to follow, and nothing is known of gaps."
    if summary.lag is not None and summary.lag.max_ms is None:
        yield f"No time at {options.time} that can be read {where}: lag was not measured."
    elif summary.gaps is not None and summary.suggested_by is None and _none_follows(summary):
        none = f"None of {summary.compared} numbers" if summary.compared > 1 else "No number"
        yield (
            f"{none} is one above the one before: most likely they are not counted one by one, and "
            "what is missing is not known."
        )
    if options.field is not None and not fields:
        yield f"Nothing at {options.field} {where}: null was shown for each."


def _none_follows(summary: StreamSummary) -> bool:
    assert summary.gaps is not None
    found = summary.gaps
    unruly = found.gaps + found.repeated + found.reordered + found.restarts
    # a few that rise with gaps may be what is left of a sequence
    enough = summary.compared >= FEWEST_NUMBERS or (summary.compared > 0 and not found.gaps)
    return enough and unruly >= summary.compared


def guess_words(guess: Guess) -> str:
    """That numbers belong to keys, with what speaks for it."""
    return (
        f"{guess.unruly} of {guess.compared} numbers do not follow the one before, but by "
        f"{guess.path} {f'all but {guess.unruly_by_path}' if guess.unruly_by_path else 'all'} do: "
        f"each of its {guess.values} values seems to be numbered by itself. To check that: "
        f"--by '{guess.path}'."
    )


def _only_greeted(summary: StreamSummary, silent_s: float) -> bool:
    few = 0 < summary.messages <= FEW_MESSAGES and summary.drop is None
    return few and silent_s >= max(1.0, GREETED_SHARE * summary.duration_s)


def explanation(
    summary: StreamSummary,
    silence: Silence | None,
    now_s: float,
    silent_s: float,
    unfound: Iterable[str] = (),
) -> list[str]:
    """What the figures mean, in sentences; `silence`: the one that goes on, `silent_s`: how long
    ago the last message came."""
    sentences = []
    if not summary.messages and summary.duration_s > 0 and summary.drop is None:
        answered = summary.pings.answered
        alive = f", although {counted(answered, 'Ping was', 'Pings were')} answered"
        sentences.append(
            f"No message came in {format_duration(summary.duration_s)}{alive if answered else ''}: "
            "an endpoint that wants a subscription needs --hello."
        )
    elif _only_greeted(summary, silent_s):
        came = "Only one message came" if summary.messages == 1 else "All messages came"
        sentences.append(
            f"{came} right after the opening, and none in the {format_duration(silent_s)} since: "
            "an endpoint that wants a subscription needs --hello."
        )
    elif silence is not None and silence.told:
        silent = format_duration(now_s - silence.since_s)
        sentences.append(
            f"At the end no message had come for {silent}: {_AT_THE_END[silence.cause]}."
        )
    if (stopped := stopped_sentence(summary.stops, summary.stopped_s)) is not None:
        sentences.append(stopped)
    for cause, count in summary.causes.items():
        if summary.silences > 1 or silence is None:
            sentences.append(f"{counted(count, 'silence')} {_COUNTED[cause]}.")
    sentences += unfound
    if (summary.too_slow_pct or 0.0) >= TOO_SLOW_PCT:
        sentences.append(
            f"For {summary.too_slow_pct:.0f}% of the time our own receive queue was full (up to "
            f"{format_size(summary.unread_bytes_max or 0)}): wsdiag's reading was the limit, and "
            "rates and lags are no better than that."
        )
    if summary.lag is not None and summary.lag.min_ms is not None:
        ahead_s = _ahead_s(summary)
        certain = f" (by at least {format_duration(ahead_s)})" if ahead_s else ""
        said = "differ" if ahead_s else "may differ"
        judged = ""
        for limit in summary.thresholds if ahead_s else ():
            if limit.name == "max-lag":
                unknown = "; --max-lag is less, and cannot be judged"
                judged = unknown if limit.measured is None else "; for --max-lag it is added"
        sentences.append(
            f"Lag compares the endpoint's clock with this machine's: the two {said}{certain}, and "
            f"that difference is part of every figure{judged}."
        )
    if summary.keys and summary.keys[-1].key == OTHERS:
        sentences.append(
            f"More keys than are followed: {summary.keys[-1].messages} messages of the rest are "
            "counted as others, without their sequence numbers."
        )
    return sentences
