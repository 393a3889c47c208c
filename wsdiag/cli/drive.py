"""Run a probe that emits events: each goes to one output, and the conclusions to the exit code."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from wsdiag.cli.exit import ExitCode, when_unread
from wsdiag.cli.run_async import run_async
from wsdiag.records import Error

if TYPE_CHECKING:
    from wsdiag.render.base.output import EventOutput
    from wsdiag.render.base.terminal import Terminal

T = TypeVar("T")


class Run(Protocol):
    """What a probe's run has: PingRun, IdleRun…"""

    def events(self) -> AsyncGenerator[Any, None]:
        """Events as they happen, to the end of the run."""

    def stop(self) -> None:
        """End soon, with what has been measured so far; a second call ends at once."""

    def expire(self) -> str | None:
        """The time is over: `stop()`, and say what was awaited, in words; None: nothing."""


def drive(
    run: Run,
    terminal: Terminal,
    output: EventOutput,
    conclusion: type[T],
    exit_code: Callable[[list[T], bool], int],
    *,
    on_quit: Callable[[], None] | None = None,
    max_time_s: float | None = None,
    on_continue: Callable[[], None] = lambda: None,
    on_interrupt: Callable[[], None] = lambda: None,
) -> int:
    """Run to the end, or until Ctrl-C, SIGTERM or a reader of stdout that leaves stop it; `on_quit`
    is called at SIGQUIT.

    While Ctrl-Z stops the process, the terminal is given back; then `on_continue` is called.
    `on_interrupt` hears of what stops the run early.
    `exit_code` gets the events of type `conclusion`, and whether the run was interrupted; 130 is
    for signals, so where a reader left before anything was measured, the code is 1.
    """
    conclusions: list[T] = []
    interrupted = over = unread = False

    def ending() -> None:
        nonlocal interrupted
        interrupted = True
        on_interrupt()
        output.ending()

    def stop() -> None:
        ending()
        run.stop()

    def expire() -> str | None:
        ending()
        return run.expire()

    def reader_left() -> None:
        nonlocal unread
        if not over:
            unread = True
            stop()

    async def show_all() -> int:
        nonlocal over
        misused = False
        async with aclosing(run.events()) as events:
            async for event in events:
                output.handle(event)
                if isinstance(event, conclusion):
                    conclusions.append(event)
                elif isinstance(event, Error) and event.kind == "usage":
                    misused = True
        over = True
        output.finish()
        if misused:
            return ExitCode.USAGE
        code = exit_code(conclusions, interrupted)
        return ExitCode.NO_ANSWER if unread and code == ExitCode.INTERRUPTED else code

    def resume() -> None:
        on_continue()
        output.resume()

    when_unread(terminal, reader_left)
    output.start()
    try:
        return run_async(
            show_all,
            on_stop=stop,
            on_hurry=run.stop,
            on_expire=expire,
            on_quit=on_quit,
            on_suspend=output.suspend,
            on_continue=resume,
            max_time_s=max_time_s,
        )
    finally:
        output.stop()
