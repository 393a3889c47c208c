"""Latency over time as a line of dots, with losses, late Pongs and outliers marked.

A pure renderable: the same samples at the same size give the same picture, at a cost that depends
on its size and not on the number of samples. How a frame comes about:

Time is cut into dot columns, finer than characters (Braille has two a character). The buckets of
each series are merged into them. Nothing is decimated: a column is a stroke from the lowest to the
highest round trip in it, so that one slow Pong among thousands is seen. Columns begin at multiples
of their width, not at the edge of the window: a sample keeps its column while the window scrolls,
and the picture moves instead of flickering.

From column to column the line leads from the last round trip of one to the first of the next. A
loss or the end of a connection breaks it, because there is nothing in between; a column without
samples does not, for it only means that the interval is longer than a dot is wide.

What is no round trip is drawn over the dots: a loss as a red wall with a cross on the time axis, a
late Pong at its height, and an outlier's cause, when it is known, at the outlier. A character has
one glyph and one colour, so the more serious mark wins.

Characters become segments, and of those there should be few: rich measures and styles each of
them, which costs more than all of the above. A calm row of one series is a single segment, and
blanks join whatever is before them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from wsdiag.records import Cause
from wsdiag.render.base.glyphs import UNICODE, Dots, Glyphs
from wsdiag.render.ping.axis import Scale, latency_scale, layout_labels, shown_span_s, time_step
from wsdiag.render.ping.canvas import STYLES, Canvas
from wsdiag.render.ping.series import Bucket, Buckets, Series
from wsdiag.units import format_latency, format_moment

CAUSES: tuple[Cause, ...] = ("network", "endpoint", "queue", "local", "inbound-queue")
# Told apart with any colour vision (Okabe and Ito's palette), and of middling lightness, to be seen
# on dark and on light backgrounds. Red is for trouble. Without colour, each line ends in a number.
SERIES_STYLES = tuple(
    Style(color=color)
    for color in ("#1b9ad6", "#d97c00", "#009e73", "#c066a0", "#8c8c8c", "#5a6fd8")
)
CAUSE_STYLES: dict[Cause, Style] = {
    "network": Style(color="#c08000", bold=True),
    "endpoint": Style(color="#c03080", bold=True),
    "queue": Style(color="#4878e0", bold=True),
    "local": Style(bold=True),
    "inbound-queue": Style(color="#1b9ad6", bold=True),
}
WAITING = Style(color="#c08000", bold=True)
LOST, LATE = Style(color="red", bold=True), Style(color="#c08000")
_WALL, _FAINT, _PLAIN = Style(color="red"), Style(dim=True), Style()
_ROWS_PER_TICK = 4
_COLUMNS_PER_LABEL = 14
_BESIDE = ((0, 0), (1, 0), (2, 0), (0, -1), (0, 1), (1, -1), (1, 1))


@dataclass(frozen=True, slots=True)
class LatencyChart:
    """Draws series up to `end_s`: the last `window_s` seconds, or the whole run (None).

    Takes the width it is given and `height` rows, two of them for the time axis.
    """

    series: Sequence[Series]
    end_s: float
    height: int
    window_s: float | None = None
    y_max_ms: float | None = None
    log_scale: bool = False
    glyphs: Glyphs = UNICODE
    dots: Dots = "braille"
    status: str | None = None
    """What is said instead of `now`, or at the end of the run, where answers are missing."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # in a picture Braille may come from another font than blanks: each run is its own segment
        for line in self.lines(options.max_width, joined=False):
            yield from line
            yield Segment.line()

    def lines(self, width: int, *, joined: bool = True) -> list[list[Segment]]:
        """The picture as lines that are exactly `width` wide.

        `joined`: blanks go with what is before them, so that there are few segments.
        """
        return _Drawing(self, width, joined).lines()


@dataclass(slots=True)
class _Drawing:
    """One frame in the making."""

    chart: LatencyChart
    width: int
    joined: bool
    rows: int = 0
    scale: Scale = field(init=False)
    canvas: Canvas = field(init=False)
    begin_s: float = 0.0
    step_s: float = 1.0
    """Seconds per dot column."""
    marks: defaultdict[int, dict[int, tuple[str, Style]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    walls: dict[int, tuple[str, Style]] = field(default_factory=dict)
    losses: dict[int, tuple[str, Style]] = field(default_factory=dict)
    labels: dict[int, str] = field(default_factory=dict)
    span_s: float = 1.0
    """Seconds from the left end to the right."""

    def lines(self) -> list[list[Segment]]:
        self.rows = max(self.chart.height - 2, 1)
        style = STYLES["ascii" if self.chart.glyphs.ascii else self.chart.dots]
        gutter = self._gutter()
        plot = max(self.width - gutter, 4)
        self.canvas = Canvas(plot, self.rows, style)
        for series, columns in zip(
            self.chart.series, self._columns(self.canvas.width), strict=True
        ):
            self._draw(series, columns)
        for tick in self.scale.ticks:
            row = self._dot(tick) // self.canvas.style.down
            self.labels.setdefault(row, format_latency(tick, self.chart.glyphs.micro))
        axis = self._time_axis(gutter)
        return [list(self._row(row, gutter)) for row in range(self.rows)] + axis

    # -- samples to columns ----------------------------------------------------------------------

    def _columns(self, count: int) -> list[dict[int, Bucket]]:
        """Per series, the buckets merged into `count` dot columns; sets the time axis."""
        chart = self.chart
        self.span_s = shown_span_s(chart.window_s, chart.end_s)
        scrolls = chart.window_s is not None and chart.end_s >= chart.window_s
        self.step_s = self.span_s / count
        # whole steps: a sample keeps its column while the window scrolls, so nothing flickers
        last = int(chart.end_s / self.step_s) if scrolls else count - 1
        self.begin_s = (last - count + 1) * self.step_s
        return [self._merge(self._buckets(series), count) for series in chart.series]

    def _buckets(self, series: Series) -> Buckets:
        return series.buckets(self.chart.window_s)

    def _merge(self, buckets: Buckets, count: int) -> dict[int, Bucket]:
        columns: dict[int, Bucket] = {}
        end_s = self.begin_s + count * self.step_s
        for middle, bucket in buckets.between(self.begin_s, end_s + buckets.width_s):
            column = min(int((middle - self.begin_s) / self.step_s), count - 1)
            if column not in columns:
                columns[column] = Bucket()
            columns[column].merge(bucket)
        return columns

    def _gutter(self) -> int:
        """Settle the scale; the width that its labels need."""
        chart = self.chart
        begin_s = chart.end_s - chart.window_s if chart.window_s else 0.0
        shown = [
            bucket
            for series in chart.series
            for _, bucket in self._buckets(series).between(begin_s, math.inf)
            if bucket.measured
        ]
        lowest = min((bucket.low for bucket in shown), default=0.0)
        highest = max((bucket.high for bucket in shown), default=1.0)
        ticks = max(self.rows // _ROWS_PER_TICK, 1)
        self.scale = latency_scale(lowest, highest, ticks, top=chart.y_max_ms, log=chart.log_scale)
        labels = [format_latency(tick, chart.glyphs.micro) for tick in self.scale.ticks or (0.0,)]
        longest = max(map(len, labels))
        return longest + 2 if self.width >= 30 else 0

    # -- columns to dots -------------------------------------------------------------------------

    def _dot(self, value_ms: float) -> int:
        return round((1 - self.scale.at(value_ms)) * (self.canvas.height - 1))

    def _draw(self, series: Series, columns: dict[int, Bucket]) -> None:
        number = series.number - 1
        color = number % len(SERIES_STYLES) + 1
        before: tuple[int, int] | None = None
        for x in sorted(columns):
            bucket = columns[x]
            if bucket.measured:
                low, high = self._dot(bucket.low), self._dot(bucket.high)
                self.canvas.stroke(x, high, low, color)
                self._connect(before, (x, self._dot(bucket.first)), color)
                before = (x, self._dot(bucket.last))
            if bucket.lost or bucket.closed or bucket.gap:
                before = None
            self._mark(number, x // self.canvas.style.across, bucket)
        if len(self.chart.series) > 1 and columns:
            self._name(series, columns)

    def _name(self, series: Series, columns: dict[int, Bucket]) -> None:
        """The series' number at the end of its line: lines are told apart without colour too."""
        measured = [x for x in columns if columns[x].measured]
        if measured:
            x = max(measured)
            column = x // self.canvas.style.across + 1
            row = self._dot(columns[x].last) // self.canvas.style.down
            style = SERIES_STYLES[(series.number - 1) % len(SERIES_STYLES)]
            for right, down in _BESIDE:  # lines that end at one place are all named
                place = min(column + right, self.canvas.columns - 1)
                if 0 <= row + down < self.rows and place not in self.marks[row + down]:
                    self.marks[row + down][place] = (series_mark(series.number), style)
                    return

    def _connect(self, before: tuple[int, int] | None, to: tuple[int, int], color: int) -> None:
        if before is None:
            return
        (x0, y0), (x1, y1) = before, to
        last = y0
        for x in range(x0 + 1, x1):
            y = y0 + round((y1 - y0) * (x - x0) / (x1 - x0))
            self.canvas.stroke(x, last + (y > last) - (y < last), y, color)
            last = y
        if last != y1:
            self.canvas.stroke(x1, last + (y1 > last) - (y1 < last), y1, color)

    def _mark(self, number: int, column: int, bucket: Bucket) -> None:
        glyphs = self.chart.glyphs
        if bucket.cause is not None:
            row = self._dot(bucket.cause_ms) // self.canvas.style.down
            mark = glyphs.causes[CAUSES.index(bucket.cause)]
            self.marks[row][column] = (mark, CAUSE_STYLES[bucket.cause])
        if bucket.late_ms is not None:
            row = self._dot(bucket.late_ms) // self.canvas.style.down
            self.marks[row].setdefault(column, (glyphs.late, LATE))
        if bucket.closed:
            self.walls[column] = (glyphs.end, LOST)
            self.losses[column] = (glyphs.closed, LOST)
        elif bucket.lost:
            several = len(self.chart.series) > 1
            whose = SERIES_STYLES[number % len(SERIES_STYLES)] if several else _PLAIN
            self.walls.setdefault(column, (glyphs.line, _WALL))
            self.losses.setdefault(column, (glyphs.lost, LOST + whose))

    # -- dots to segments ------------------------------------------------------------------------

    def _row(self, row: int, gutter: int) -> Iterator[Segment]:
        glyphs = self.chart.glyphs
        label = self.labels.get(row)
        if gutter:
            edge = glyphs.tick if label else glyphs.line
            yield Segment(f"{label or '':>{gutter - 2}} {edge}", _FAINT)
        yield from _runs(self._cells(row, glyphs.grid if label else " "), self.joined)

    def _cells(self, row: int, empty: str) -> Iterator[tuple[str, Style]]:
        text, colors = self.canvas.text(row), self.canvas.colors[row]
        marks, walls = self.marks[row], self.walls
        calm = not marks and not walls and empty == " " and self.joined
        if calm and len(self.chart.series) == 1:
            yield text, SERIES_STYLES[0]
            return
        styles = [_FAINT, *SERIES_STYLES]
        blank = (empty, _FAINT)
        for column, char in enumerate(text):
            if column in marks:
                yield marks[column]
            elif char != " ":
                yield char, styles[colors[column]]
            else:
                yield walls.get(column, blank)

    def _time_axis(self, gutter: int) -> list[list[Segment]]:
        """The axis line, in which losses are marked, and the labels below."""
        glyphs, plot = self.chart.glyphs, self.canvas.columns
        places, now = self._time_labels(plot)
        if self.chart.status is not None and now is not None:
            self.losses[now] = (glyphs.waiting, WAITING)
            self.walls.setdefault(now, (glyphs.line, WAITING))
        line = [glyphs.axis_tick if column in places else glyphs.rule for column in range(plot)]
        cells = (self.losses.get(column, (line[column], _FAINT)) for column in range(plot))
        axis = _runs(cells, self.joined)
        corner = [Segment(f"{glyphs.corner:>{gutter}}", _FAINT)] if gutter else []
        text = layout_labels(places, plot, now)
        if self.chart.status is None:
            return [[*corner, *axis], [Segment(" " * gutter + text, _FAINT)]]
        before, said, after = text.partition(self.chart.status[:plot])
        labels = [Segment(" " * gutter + before, _FAINT), Segment(said, WAITING)]
        return [[*corner, *axis], [*labels, Segment(after, _FAINT)]]

    def _time_labels(self, plot: int) -> tuple[dict[int, str], int | None]:
        """Labels by column, and the column of what is said of this moment."""
        span = self.span_s
        step = time_step(span, max(plot // _COLUMNS_PER_LABEL, 1))
        count = int(span / step + 1e-9)
        chart, now = self.chart, plot - 1
        said = "now" if chart.status is None else chart.status[:plot]
        if chart.window_s is None or chart.end_s < chart.window_s:
            places = {
                min(round(k * step / span * plot), plot - 1): format_moment(k * step)
                for k in range(count + 1)
            }
            if chart.window_s is None and chart.status is None:
                return places, None
            now = min(int(chart.end_s / span * plot), plot - 1)
            return {**places, now: said}, now
        ago = {
            max(plot - 1 - round(k * step / span * plot), 0): "-" + format_moment(k * step)
            for k in range(1, count + 1)
        }
        return {**ago, now: said}, now


def series_mark(number: int) -> str:
    """One character for a series: its number, or a letter from the tenth on."""
    return "123456789abcdefghijklmnopqrstuvwxyz"[(number - 1) % 35]


def _runs(cells: Iterable[tuple[str, Style]], joined: bool) -> Iterator[Segment]:
    """Neighbouring cells of one style as one segment; `joined`: blanks count as any style."""
    text, current = "", _FAINT
    for char, style in cells:
        if style is not current and not (joined and char == " "):
            if text:
                yield Segment(text, current)
                text = ""
            current = style
        text += char
    yield Segment(text, current)
