"""Kinds of worlds, drawn at random, and whether what a verdict claims of one is so."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.property.worlds import RESTARTED_BY, Dropper, World
from wsdiag.probes.idle.options import IdleOptions
from wsdiag.records import IdleVerdict

GRAIN_S = 0.02
Make = Callable[[random.Random, float], World]


def options(rng: random.Random) -> IdleOptions:
    """What a probe is asked to do: seconds or minutes, many connections or few."""
    to_s = rng.choice([12.0, 60.0, 120.0, 120.0])
    most = rng.choice([1, 2, 3, 8, 16, 32, 32])
    return IdleOptions(to_s=to_s, max_connections=most)


def _timeout(rng: random.Random, to_s: float) -> float:
    return rng.uniform(0.15, 0.95) * to_s


def timer(rng: random.Random, to_s: float) -> World:
    how = rng.choice(["fin", "rst", "close"])
    return World(droppers=(Dropper(timeout_s=_timeout(rng, to_s), how=how),))  # type: ignore[arg-type]


def one_way(rng: random.Random, to_s: float) -> World:
    """Only the client's bytes count, or only the server's, and the endpoint may send some."""
    timeout_s = rng.uniform(0.25, 0.9) * to_s
    says_s = rng.choice([None, rng.uniform(0.3, 0.8) * timeout_s])
    counts = rng.choice(["client", "server"])
    dropper = Dropper(timeout_s=timeout_s, counts=counts)
    return World(droppers=(dropper,), first_says_s=says_s, says_every_s=says_s)


def messages_only(rng: random.Random, to_s: float) -> World:
    return World(droppers=(Dropper(timeout_s=_timeout(rng, to_s), counts="messages"),))


def silent(rng: random.Random, to_s: float) -> World:
    counts = rng.choice(["any", "segments"])
    return World(droppers=(Dropper(timeout_s=_timeout(rng, to_s), counts=counts, how="silent"),))


def dead_before(rng: random.Random, to_s: float) -> World:
    """Nothing passes any more some time before the FIN."""
    dead_s = rng.uniform(0.3, 2.0)
    return World(droppers=(Dropper(timeout_s=_timeout(rng, to_s), dead_s=dead_s),))


def swept(rng: random.Random, to_s: float) -> World:
    period_s = rng.choice([1.0, 2.0, 5.0, 10.0]) * to_s / 120
    timeout_s, phase_s = rng.uniform(0.2, 0.85) * to_s, rng.uniform(0, period_s)
    return World(droppers=(Dropper(timeout_s=timeout_s, period_s=period_s, phase_s=phase_s),))


def jittered(rng: random.Random, to_s: float) -> World:
    """A random part of each connection's own: evenly spread, with a long tail, or a normal one."""
    timeout_s = rng.uniform(0.2, 0.5) * to_s
    width_s = timeout_s * rng.uniform(0.01, 0.8)
    shape: Callable[[random.Random], float] = rng.choice(
        [
            lambda own: own.uniform(0, width_s),
            lambda own: min(width_s, own.expovariate(4 / width_s)),
            lambda own: min(width_s, max(0.0, own.gauss(width_s / 2, width_s / 6))),
        ]
    )
    dropper = Dropper(timeout_s=timeout_s, longer_s=shape, most_longer_s=width_s)
    return World(droppers=(dropper,), seed=rng.randrange(10**6))


def two_backends(rng: random.Random, to_s: float) -> World:
    short_s = rng.uniform(0.2, 0.5) * to_s
    longer_s = short_s * rng.uniform(0.3, 0.9)
    dropper = Dropper(
        timeout_s=short_s, longer_s=lambda own: own.choice([0.0, longer_s]), most_longer_s=longer_s
    )
    return World(droppers=(dropper,), backends=2, seed=rng.randrange(10**6))


def lifetime(rng: random.Random, to_s: float) -> World:
    return World(lifetime_s=_timeout(rng, to_s))


def lifetime_looked_at(rng: random.Random, to_s: float) -> World:
    """Connections that are too old are looked for now and then."""
    every_s = rng.choice([0.1, 0.5, 1.0, rng.uniform(0.02, 0.3) * to_s])
    return World(lifetime_s=_timeout(rng, to_s), ages_seen_every_s=every_s, code=1001)


def lifetime_jittered(rng: random.Random, to_s: float) -> World:
    """A random part of each connection's own, so that clients do not come back all at once."""
    lifetime_s = rng.uniform(0.1, 0.6) * to_s
    width_s = lifetime_s * rng.choice([0.02, 0.1, 0.5, 1.0])
    return World(
        lifetime_s=lifetime_s,
        lives_longer_s=lambda own: own.uniform(0, width_s),
        most_lives_longer_s=width_s,
        code=rng.choice([1000, 1001]),
        seed=rng.randrange(10**6),
    )


def lifetime_above(rng: random.Random, to_s: float) -> World:
    timeout_s = rng.uniform(0.2, 0.5) * to_s
    lifetime_s = timeout_s * rng.uniform(1.02, 2.0)
    return World(droppers=(Dropper(timeout_s=timeout_s),), lifetime_s=lifetime_s)


def feed_with_lifetime(rng: random.Random, to_s: float) -> World:
    says_s = rng.uniform(0.02, 0.2) * to_s
    return World(lifetime_s=_timeout(rng, to_s), first_says_s=says_s, says_every_s=says_s)


def two_droppers(rng: random.Random, to_s: float) -> World:
    """A NAT, or another device that is nearer, and a proxy behind it."""
    short_s, long_s = sorted(rng.uniform(0.2, 0.9) * to_s for _ in range(2))
    near = Dropper(timeout_s=short_s, counts="segments", how=rng.choice(["silent", "fin"]))  # type: ignore[arg-type]
    return World(droppers=(near, Dropper(timeout_s=long_s)))


def event(rng: random.Random, to_s: float) -> World:
    return World(events_s=(rng.uniform(0.02, 0.95) * to_s,))


def event_before_timeout(rng: random.Random, to_s: float) -> World:
    timeout_s, event_s = rng.uniform(0.5, 0.9) * to_s, rng.uniform(0.02, 0.45) * to_s
    return World(droppers=(Dropper(timeout_s=timeout_s),), events_s=(event_s,))


def event_among_drops(rng: random.Random, to_s: float) -> World:
    """A restart about when the timer fires: before, between or after the drops."""
    timeout_s = rng.uniform(0.2, 0.9) * to_s
    event_s = timeout_s + rng.uniform(-0.03, 0.1) * to_s
    return World(droppers=(Dropper(timeout_s=timeout_s),), events_s=(event_s,))


def restarts(rng: random.Random, to_s: float) -> World:
    """A supervisor that starts it again and again, or a deploy every so often."""
    period_s = 0.02 * 50 ** rng.random() * to_s
    first_s = rng.uniform(0, period_s)
    count = int(10 * to_s / period_s)
    events_s = tuple(first_s + n * period_s for n in range(count))
    return World(events_s=events_s, code=rng.choice([1000, 1001, 1012]))


def limited(rng: random.Random, to_s: float) -> World:
    world = rng.choice([timer, silent, lifetime, event, swept])(rng, to_s)
    return replace(world, most=rng.randint(2, 12), ends_above_most=rng.random() < 0.5)


def evicting(rng: random.Random, to_s: float) -> World:
    """So many at once; one more ends the one that was idle for longest."""
    return World(most=rng.randint(2, 12), evicts=True, code=rng.choice([1000, 1013]))


def one_at_a_time(rng: random.Random, to_s: float) -> World:
    return World(one_at_a_time=True)


def touchy(rng: random.Random, to_s: float) -> World:
    """It ends what is pinged; it may have an idle timeout as well."""
    droppers = rng.choice([(), (Dropper(timeout_s=_timeout(rng, to_s)),)])
    return World(ends_when_pinged=True, droppers=droppers)


def wants_a_hello(rng: random.Random, to_s: float) -> World:
    says_s = rng.choice([None, 0.05])
    return World(hello_s=_timeout(rng, to_s), first_says_s=says_s)


def wants_answers(rng: random.Random, to_s: float) -> World:
    says_s = rng.uniform(0.1, 0.4) * to_s
    again_s = rng.choice([None, 1.1 * says_s])
    answer_s = rng.uniform(0.1, 0.4) * to_s
    return World(first_says_s=says_s, says_every_s=again_s, answer_s=answer_s)


def nothing(rng: random.Random, to_s: float) -> World:
    says_s = rng.choice([None, rng.uniform(0.05, 1.2) * to_s])
    return World(first_says_s=says_s, says_every_s=says_s)


KINDS: tuple[Make, ...] = (
    *(timer, one_way, messages_only, silent, dead_before, swept, jittered, two_backends),
    *(lifetime, lifetime_looked_at, lifetime_jittered, lifetime_above, feed_with_lifetime),
    *(two_droppers, event, restarts, event_before_timeout, event_among_drops),
    *(limited, evicting, one_at_a_time, touchy),
    *(wants_a_hello, wants_answers, nothing),
)


_DOUBTS = (
    "restarts again and again would look the same",
    "may agree by chance",
    "One drop alone may be chance",
)


def wrong(verdict: IdleVerdict, world: World) -> str | None:
    """What it claims that is not so; to claim nothing is never wrong."""
    words = " ".join(verdict.explanation)
    keepalive = _wrong_keepalive(verdict, world)
    random_ends = len(world.events_s) > 1 or world.most_lives_longer_s > 0.0
    if random_ends and any(doubt in words for doubt in _DOUBTS):
        return None
    match verdict.verdict:
        case "idle-timeout":
            return _wrong_timeout(verdict, world, words) or keepalive
        case "lifetime":
            found = verdict.lifetime_s
            assert found is not None
            assert found.high is not None
            maybe = "wants a message" in words or "look alike" in words
            if maybe and world.lifetime_s is None:
                # It says that it may as well be something else that only messages move.
                return None if _by_messages(world) else "no lifetime"
            if world.lifetime_s is None or found.high + GRAIN_S < world.lifetime_s:
                return "lifetime"
            longest_s = world.lifetime_s + world.most_lives_longer_s
            rare = _looked_at_rarely(world.ages_seen_every_s, words)
            return "lifetime above" if found.low - GRAIN_S > longest_s and not rare else None
        case "application-timeout":
            found = verdict.application_timeout_s
            assert found is not None
            assert found.high is not None
            if "would look the same" in words and world.lifetime_s is not None:
                return None
            times = [s for s in (world.answer_s, world.hello_s) if s is not None]
            fits = any(found.low - GRAIN_S <= s <= found.high + GRAIN_S for s in times)
            return None if fits else "application timeout"
        case "event":
            return None if world.events_s else "event"
        case "no-drop" | "kept-busy":
            return _wrong_survival(verdict, world) or keepalive
        case "inconsistent":
            if "more than one backend" in words and not _has_backends(world):
                return "backends"
            return None if world.one_at_a_time or "one connection at a time" not in words else "one"
        case "local-fault":
            return "local fault"
    return None


def _wrong_timeout(verdict: IdleVerdict, world: World, words: str) -> str | None:
    found = verdict.idle_timeout_s
    assert found is not None
    if found.high is None or not world.droppers:
        maybe = "may as well be a maximum lifetime" in words and world.lifetime_s is not None
        maybe = maybe or _looked_at_rarely(world.ages_seen_every_s, words)
        maybe = maybe or (world.hello_s is not None and "waits for a first one" in words)
        return None if maybe else "no idle timeout"
    first = min(world.droppers, key=lambda each: each.timeout_s)
    if "may as well be a maximum lifetime" in words and world.lifetime_s is not None:
        return None
    longest_s = first.timeout_s + first.most_longer_s + first.dead_s
    if found.high + GRAIN_S < first.timeout_s:
        return "range below"
    unknown = _looked_at_rarely(first.period_s, words)
    if found.low - GRAIN_S > longest_s and not unknown:
        return "range above"
    interval_s = verdict.recommended_ping_interval_s
    limit_s = min(first.timeout_s, 0.6 * (longest_s + (first.period_s or 0.0)))
    if interval_s is not None and interval_s > max(limit_s, 0.02):
        return "interval"
    return None


def _looked_at_rarely(period_s: float | None, words: str) -> bool:
    """Whether it says that it knows no more than of a look once a second, and looks are rarer."""
    return period_s is not None and period_s > 1.0 and "looked at now and then" in words


def _wrong_keepalive(verdict: IdleVerdict, world: World) -> str | None:
    """A keepalive said to hold that does not, or one said not to that does."""
    if not world.droppers or _has_backends(world):
        return None
    first = min(world.droppers, key=lambda each: each.timeout_s)
    helped = {"ping": ("sent", "received"), "pong": ("sent",), "tcp-keepalive": ("segment",)}
    for kind, sent in helped.items():
        helps = any(what in RESTARTED_BY[first.counts] for what in sent)
        said = verdict.keepalives.get(kind)  # type: ignore[call-overload]
        if verdict.verdict == "idle-timeout" and said == "holds" and not helps:
            return f"{kind} does not hold"
        others = world.lifetime_s or world.events_s or len(world.droppers) > 1
        if said == "drops" and helps and not others and not world.ends_when_pinged:
            return f"{kind} does hold"
    return None


def _wrong_survival(verdict: IdleVerdict, world: World) -> str | None:
    survived_s = verdict.tested_up_to_s or 0.0
    ends_s = [
        each.timeout_s + each.most_longer_s + (each.period_s or 0.0) for each in world.droppers
    ]
    if world.lifetime_s is not None:
        longest_s = world.lifetime_s + world.most_lives_longer_s
        ends_s.append(longest_s + (world.ages_seen_every_s or 0.0))
    return "survival" if ends_s and survived_s > min(ends_s) + GRAIN_S else None


def _by_messages(world: World) -> bool:
    """Whether messages of the client's are what counts, or the endpoint's own bytes."""
    counts = {each.counts for each in world.droppers}
    return bool(counts & {"messages", "server"}) or bool(world.hello_s or world.answer_s)


def _has_backends(world: World) -> bool:
    return world.backends > 1
