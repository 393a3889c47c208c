"""Running an idle probe in a test, and the settings that scale it down to seconds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from wsdiag.probes.idle.run import IdleOptions, IdleRun
from wsdiag.records import Error, IdleEvent, IdleTrial, IdleVerdict, TrialStarted
from wsdiag.transport.dial.options import DialOptions

# From 1 to 4 s in steps of half a second: everything that takes minutes in the field.
SCALED = {"from_s": 1.0, "to_s": 4.0, "step_s": 0.5, "keepalive_s": 1.0, "pong_timeout_s": 1.5}


@dataclass
class Probed:
    """What a probe told, and how long it took in seconds."""

    events: list[IdleEvent] = field(default_factory=list)
    wall_s: float = 0.0

    @property
    def verdicts(self) -> list[IdleVerdict]:
        return [event for event in self.events if isinstance(event, IdleVerdict)]

    @property
    def verdict(self) -> IdleVerdict:
        (verdict,) = self.verdicts
        return verdict

    @property
    def trials(self) -> list[IdleTrial]:
        return [event for event in self.events if isinstance(event, IdleTrial)]

    @property
    def started(self) -> list[TrialStarted]:
        return [event for event in self.events if isinstance(event, TrialStarted)]

    @property
    def errors(self) -> list[Error]:
        return [event for event in self.events if isinstance(event, Error)]

    def words(self) -> str:
        return " ".join(self.verdict.explanation)

    def __str__(self) -> str:
        return "\n".join(map(str, [*self.trials, *self.verdicts, self.wall_s]))


def scaled(**changes: object) -> IdleOptions:
    """Options of a few seconds, changed as told."""
    return IdleOptions(**{**SCALED, **changes})  # type: ignore[arg-type]


async def probe(
    urls: str | Sequence[str],
    options: IdleOptions,
    *,
    stop_after_s: float | None = None,
    dial: DialOptions | None = None,
) -> Probed:
    """Run a probe to its end, or stop it as Ctrl-C would."""
    probed, began = Probed(), time.monotonic()
    run = IdleRun([urls] if isinstance(urls, str) else urls, options, dial or DialOptions())
    if stop_after_s is not None:
        asyncio.get_running_loop().call_later(stop_after_s, run.stop)
    async for event in run.events():
        probed.events.append(event)
    probed.wall_s = time.monotonic() - began
    return probed
