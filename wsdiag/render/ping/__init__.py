"""`ping` drawn: start with `output`, which chooses among the views.

output, options    which view, and how it looks; imported without rich
screen             the live view: a frame several times a second, drawn by a thread of its own
history            what a run has shown so far; the live view and the saved picture draw it
status             what an endpoint is doing that does not answer
series             samples in buckets of time, and exact figures over them
chart, axis, canvas, panel   the picture: dots, axes in round units, figures beside them
lines, summary, csv          line by line, the statistics at the end, rows

The way of a Pong: `handle()` queues the record, the drawing thread takes it into `history`, which
adds a sample to its `series`; the next frame merges buckets into dot columns.
"""
