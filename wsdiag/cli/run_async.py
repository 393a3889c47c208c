"""Run one command's coroutine: signals, Ctrl-C, a closed stdout, and the exit code."""

from __future__ import annotations

import gc
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


def run_async(
    main: Callable[[], Coroutine[Any, Any, int]],
    *,
    on_stop: Handler | None = None,
    on_quit: Handler | None = None,
    hires: bool = True,
) -> int:
    """Run `main` to its exit code. SIGINT and SIGTERM call `on_stop`, SIGQUIT calls `on_quit`.

    Without `on_stop`, or at the second signal, the run is cancelled and the code is 130.
    A closed stdout ends the process with 0.
    `hires`: timers to the microsecond, for what measures.
    """

    import asyncio

    from wsdiag.transport.hires_loop import event_loop

    async def supervised() -> int:
        task = asyncio.current_task()
        assert task is not None
        _install(asyncio.get_running_loop(), task, on_stop, on_quit)
        return await main()

    _collect_garbage_again()
    try:
        with asyncio.Runner(loop_factory=partial(event_loop, hires=hires)) as runner:
            return runner.run(supervised())
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        leave_quietly()
        sys.exit(ExitCode.OK)  # at once: nobody would read the remaining steps of `demo`


def _collect_garbage_again() -> None:
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
        number = getattr(signal, name, None)
        if number is not None:
            _add_handler(loop, number, handler)


def _add_handler(loop: asyncio.AbstractEventLoop, number: int, handler: Handler) -> None:
    try:
        loop.add_signal_handler(number, handler)
    except NotImplementedError:  # Windows: signals reach Python code between bytecodes only

        def relay(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(handler)

        signal.signal(number, relay)
