"""Garbage collection that holds up no Ping.

A full collection looks at every object: a tenth of a second for a thousand targets, in which
nothing else runs. What is rendered for scrapers brings one about, and it finds next to nothing. So
there is none while new targets connect, and once they have, what there is by then is frozen
(gc.freeze): collections pass over it, and cost what is younger. Frozen connections that have ended
since are found when all of it is looked at: once an hour, and when a new file has more targets gone
than it has left; so what is kept in vain is never much more than is in use.
"""

from __future__ import annotations

import asyncio
import gc

SETTLED_S = 15.0
WHOLE_S = 3600.0
_NEVER = 1_000_000_000
_FEW = 100
"""Targets that are gone: a megabyte or two is not worth a look at everything."""


class Heap:
    """Freezes what lives long; on the running loop, until `stop()`."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thresholds = gc.get_threshold()
        self._settling: asyncio.TimerHandle | None = None
        self._whole = self._loop.call_later(WHOLE_S, self._collect)
        self._gone = 0
        """Targets whose connections have not been looked for since they ended."""

    def changed(self, new: int, gone: int, watched: int) -> None:
        """So many targets are new and about to connect, gone and about to close, watched now."""
        self._gone += gone
        if self._gone > max(watched, _FEW):
            self._collect()
            self._gone = gone
        if new:
            self._settle_later()

    def _settle_later(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
        gc.set_threshold(*self._thresholds[:2], _NEVER)
        self._settling = self._loop.call_later(SETTLED_S, self._settle)

    def stop(self) -> None:
        """Freeze no more."""
        self._whole.cancel()
        if self._settling is not None:
            self._settling.cancel()
        gc.set_threshold(*self._thresholds)

    def _settle(self) -> None:
        gc.freeze()
        gc.set_threshold(*self._thresholds)

    def _collect(self) -> None:
        gc.unfreeze()
        gc.collect()
        gc.freeze()
        self._gone = 0
        self._whole.cancel()
        self._whole = self._loop.call_later(WHOLE_S, self._collect)
