"""Run one command's coroutine: signals, Ctrl-C, a closed stdout, and the exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from wsdiag.cli.exit import ExitCode, stop_signals
from wsdiag.render.base.streams import leave_terminals

if TYPE_CHECKING:  # a command's help needs no event loop, which takes long to import
    import asyncio

Handler = Callable[[], None]

_GRACE_S = 1.0


def run_async(
    main: Callable[[], Coroutine[Any, Any, int]],
    *,
    on_stop: Handler | None = None,
    on_hurry: Handler | None = None,
    on_expire: Callable[[], str | None] | None = None,
    on_quit: Handler | None = None,
    on_suspend: Handler | None = None,
    on_continue: Handler | None = None,
    on_hangup: Handler | None = None,
    hires: bool = True,
    max_time_s: float | None = None,
) -> int:
    """Run `main` to its exit code.

    The first SIGINT, SIGTERM or SIGHUP calls `on_stop`, the second `on_hurry`; where that handler
    is not given, and at the third, the run is cancelled, and the code is 130. Of SIGHUPs only the
    first counts, as kernel and shell both send one.
    After `max_time_s`, `on_expire` is called, which stops the run and says what was awaited; a
    second later `on_hurry`, and another second later the run is cancelled. That the time was over
    is told where something was awaited or nothing was measured; where nothing was, the code is 1.
    SIGQUIT calls `on_quit`, SIGHUP `on_hangup` where that is given; SIGTSTP (Ctrl-Z) calls
    `on_suspend` before it stops the process, SIGCONT `on_continue`.

    `hires`: timers to the microsecond, for what measures.
    """

    import asyncio

    from wsdiag.transport.hires_loop import event_loop

    async def supervised() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        _install(loop, task, [each for each in (on_stop, on_hurry) if each is not None], on_quit)
        limit.begin(loop, task)
        if on_suspend is not None:
            _add_named_handler(loop, "SIGTSTP", partial(_suspend, on_suspend))
        if on_hangup is not None:
            _add_named_handler(loop, "SIGHUP", on_hangup)
        if on_continue is not None:
            _add_named_handler(loop, "SIGCONT", on_continue)
        return await main()

    limit = _TimeLimit(max_time_s, on_expire, on_hurry)
    collect_garbage_again()
    try:
        with asyncio.Runner(loop_factory=partial(event_loop, hires=hires)) as runner:
            return limit.code(runner.run(supervised()))
    except (KeyboardInterrupt, asyncio.CancelledError):
        if not limit.over:
            print("interrupted", file=sys.stderr)
        return limit.code(ExitCode.INTERRUPTED)


class _TimeLimit:
    """`--max-time`: ends the run when it is over, and tells that."""

    def __init__(
        self,
        limit_s: float | None,
        on_expire: Callable[[], str | None] | None,
        on_hurry: Handler | None,
    ) -> None:
        self._limit_s, self._on_expire, self._on_hurry = limit_s, on_expire, on_hurry
        self.over = False
        self._awaited: str | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[int]) -> None:
        """The time begins, where there is a limit."""
        if self._limit_s is not None:
            loop.call_later(self._limit_s, self._expire, loop, task)

    def _expire(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[int]) -> None:
        self.over, grace_s = True, 0.0
        if self._on_expire is not None:
            self._awaited = self._on_expire()
            grace_s += _GRACE_S
        if self._on_hurry is not None:
            loop.call_later(grace_s, self._on_hurry)
            grace_s += _GRACE_S
        loop.call_later(grace_s, task.cancel)

    def code(self, code: int) -> int:
        """The run's exit code; what was awaited when the time was over is told."""
        if not self.over:
            return code
        unmeasured = code == ExitCode.INTERRUPTED
        if unmeasured or self._awaited is not None:
            waiting = "" if self._awaited is None else f": waiting for {self._awaited}"
            print(f"not done within {self._limit_s:g} s (--max-time){waiting}", file=sys.stderr)
        return ExitCode.NO_ANSWER if unmeasured else code


def collect_garbage_again() -> None:
    """After a start without it: what was imported until now is not worth looking through."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _install(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[int],
    on_stops: Sequence[Handler],
    on_quit: Handler | None,
) -> None:
    """`on_stops`: for the first signal, the second…; when there is none left, the run ends."""
    left = iter(on_stops)

    def stop() -> None:
        next(left, task.cancel)()

    def hang_up(number: int, _frame: FrameType | None) -> None:
        if loop.is_closed():
            sys.exit(ExitCode.INTERRUPTED)
        signal.signal(number, signal.SIG_IGN)
        leave_terminals()
        loop.call_soon_threadsafe(stop)

    for number in stop_signals():
        if number.name == "SIGHUP":  # a loop's handlers end with it, and the next one would kill
            signal.signal(number, hang_up)
        else:
            _add_handler(loop, number, stop)
    if on_quit is not None:
        _add_named_handler(loop, "SIGQUIT", on_quit)


def _suspend(prepare: Handler) -> None:
    prepare()
    os.kill(os.getpid(), signal.SIGSTOP)  # we have caught SIGTSTP, which would have done it


def _add_named_handler(loop: asyncio.AbstractEventLoop, name: str, handler: Handler) -> None:
    number = getattr(signal, name, None)  # Windows has few of them
    if number is not None:
        _add_handler(loop, number, handler)


def _add_handler(loop: asyncio.AbstractEventLoop, number: int, handler: Handler) -> None:
    try:
        loop.add_signal_handler(number, handler)
    except NotImplementedError:  # Windows: signals reach Python code between bytecodes only

        def relay(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(handler)

        signal.signal(number, relay)
