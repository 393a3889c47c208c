"""Records in; what people and programs read out. The only package that imports rich.

base      what every view shares: the terminal, colours, escaping, redaction, NDJSON, the schema
ping      the live chart, lines, rows, statistics
idle      the timeline, lines, rows, the verdict
check     aligned lines, JUnit XML, GitHub annotations
connect   the waterfall and the facts of one connection
serve, demo   one line per event; the frame around the demo

Start with `base/output.py`, which says how a command drives a view, then `base/terminal.py`. Views
are functions from records to rich renderables, so a golden file at a pinned width is their test.
Everything a peer sent passes `Terminal.clean()` before it is drawn, and `Redactor` before it is
written as data.

May import records, statistics and units, and of transport what a trace event is; never what makes
records (probes, server, judgement). `-o json` must not wait for rich: modules on its path import it
where they draw.
"""
