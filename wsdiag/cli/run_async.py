"""Run one command's coroutine: signals, Ctrl-C, a closed stdout, and the exit code."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from wsdiag.cli.exit import ExitCode, leave_quietly

if TYPE_CHECKING:  # a command's help needs no event loop, which takes long to import
    import asyncio

Handler = Callable[[], None]

_GRACE_S = 1.0


def run_async(
    main: Callable[[], Coroutine[Any, Any, int]],
    *,
    on_stop: Handler | None = None,
    on_quit: Handler | None = None,
    on_suspend: Handler | None = None,
    on_continue: Handler | None = None,
    on_hangup: Handler | None = None,
    hires: bool = True,
    max_time_s: float | None = None,
) -> int:
    """Run `main` to its exit code. SIGINT and SIGTERM call `on_stop`, SIGQUIT calls `on_quit`,
    SIGHUP `on_hangup`.

    After `max_time_s` it is as if SIGINT had come, and a second later the run is cancelled, but
    the code is 1 where nothing was measured.
    SIGTSTP (Ctrl-Z) calls `on_suspend` before it stops the process, SIGCONT calls `on_continue`.

    Without `on_stop`, or at the second signal, the run is cancelled and the code is 130.
    A closed stdout ends the process with 0.
    `hires`: timers to the microsecond, for what measures.
    """

    import asyncio

    from wsdiag.transport.hires_loop import event_loop

    async def supervised() -> int:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        _install(loop, task, on_stop, on_quit)
        if max_time_s is not None:
            loop.call_later(max_time_s, expire, task)
        if on_suspend is not None:
            _add_named_handler(loop, "SIGTSTP", partial(_suspend, on_suspend))
        if on_hangup is not None:
            _add_named_handler(loop, "SIGHUP", on_hangup)
        if on_continue is not None:
            _add_named_handler(loop, "SIGCONT", on_continue)
        return await main()

    expired = False

    def expire(task: asyncio.Task[int]) -> None:
        nonlocal expired
        expired = True
        if on_stop is not None:
            on_stop()
        asyncio.get_running_loop().call_later(0 if on_stop is None else _GRACE_S, task.cancel)

    def not_done() -> int:
        print(f"not done within {max_time_s:g} s (--max-time)", file=sys.stderr)
        return ExitCode.NO_ANSWER

    collect_garbage_again()
    try:
        with asyncio.Runner(loop_factory=partial(event_loop, hires=hires)) as runner:
            code = runner.run(supervised())
            return code if not expired or code != ExitCode.INTERRUPTED else not_done()
    except (KeyboardInterrupt, asyncio.CancelledError):
        if expired:
            return not_done()
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        leave_quietly()
        sys.exit(ExitCode.OK)  # at once: nobody would read the remaining steps of `demo`


def collect_garbage_again() -> None:
    """After a start without it: what was imported until now is not worth looking through."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _install(
    loop: asyncio.AbstractEventLoop,
    task: asyncio.Task[int],
    on_stop: Handler | None,
    on_quit: Handler | None,
) -> None:
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if on_stop is None or signals > 1:
            task.cancel()
        else:
            on_stop()

    handlers: dict[str, Handler] = {"SIGINT": stop, "SIGTERM": stop}
    if on_quit is not None:
        handlers["SIGQUIT"] = on_quit
    for name, handler in handlers.items():
        _add_named_handler(loop, name, handler)


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
