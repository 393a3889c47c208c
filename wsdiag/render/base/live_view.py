"""What live views share: events are queued for the drawing thread, keys move the window.

The event loop hands an event over by `handle()`, which never waits; the drawing thread takes them
into the history, which is its alone, and draws it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from rich.console import RenderableType

from wsdiag.render.base.live import Lines, LiveScreen
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal

# Where the terminal takes nothing for long (Ctrl-S, a dead link), the oldest events are given up:
# the run goes on at its pace, and its memory does not grow with what nobody sees.
_BACKLOG = 100_000


class LiveView(EventOutput):
    """A view that owns the screen; `take`: puts an event into its history."""

    end_awaits = "the server's Close"

    def __init__(self, terminal: Terminal, take: Callable[[Any], None]) -> None:
        self._terminal, self._take = terminal, take
        self._queue: deque[Any] = deque(maxlen=_BACKLOG)
        self._drawn_s = -1.0
        self._pressed = False
        self._asked_to_end = False
        self._screen = LiveScreen(terminal.out, self.draw, self.press)

    def start(self) -> None:
        """Take the screen."""
        self._screen.start()

    def handle(self, event: Any) -> None:
        """Queue one event for the next frame; never waits."""
        self._queue.append(event)

    def suspend(self) -> None:
        """Give the screen back for a while."""
        self._screen.suspend()

    def resume(self) -> None:
        """Take the screen again."""
        self._screen.resume()

    def ending(self) -> None:
        """Say from the next frame on what the end waits for."""
        self._asked_to_end = self._pressed = True

    def stop(self) -> None:
        """Give the screen back."""
        self._screen.stop()

    def press(self, key: str) -> None:
        """Act on a key, on the drawing thread; q is everybody's and does not come here."""

    @abstractmethod
    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""

    def _concluded(self) -> bool:
        """Whether all is said that comes before the connections are closed."""
        return False

    @property
    def _ending(self) -> str | None:
        """What the end waits for, in words; None: the run goes on."""
        if not (self._asked_to_end or self._concluded()):
            return None
        at_once = " (Ctrl-C: at once)" if self._asked_to_end else ""
        return f"ending: waiting for {self.end_awaits}{at_once}"

    def _take_queued(self) -> bool:
        """Whether anything came since the last call."""
        taken = bool(self._queue)
        while self._queue:
            self._take(self._queue.popleft())
        return taken

    def _lines(self, view: RenderableType, width: int) -> Lines:
        console = self._terminal.out
        return console.render_lines(view, console.options.update(width=width), pad=False)


class WindowView(LiveView):
    """A view of the last `window_s` seconds, with keys to pause it, to begin anew, and to zoom."""

    narrowest_s, widest_s = 5.0, 24 * 3600.0

    def __init__(
        self,
        terminal: Terminal,
        take: Callable[[Any], None],
        now_s: Callable[[], float],
        reset: Callable[[], None],
        window_s: float,
    ) -> None:
        """`now_s`: the history's time; `reset` makes it begin anew."""
        super().__init__(terminal, take)
        self._now_s, self._reset = now_s, reset
        self._window_s = self._first_window_s = window_s
        self._paused_s: float | None = None
        self._helps = False

    def press(self, key: str) -> None:
        """Act on a key, on the drawing thread: those that the view's help names."""
        self._pressed = True
        helped, self._helps = self._helps, key in "h?" and not self._helps
        match key:
            case "p":
                self._paused_s = self._now_s() if self._paused_s is None else None
            case "r":
                self._reset()
            case "+" | "=":
                self._window_s = min(self._window_s * 2, self.widest_s)
            case "-":
                self._window_s = max(self._window_s / 2, self.narrowest_s)
            case _:
                self._pressed = self._press_own(key) or self._helps or helped

    def _press_own(self, key: str) -> bool:
        """Act on a key of this view alone: whether it is one."""
        return False

    def _news(self) -> tuple[bool, float]:
        """(whether events or keys came since the last frame, the time that it shows, in s)."""
        changed = self._paused_s is None and self._take_queued()
        changed, self._pressed = changed or self._pressed, False
        return changed, self._now_s() if self._paused_s is None else self._paused_s
