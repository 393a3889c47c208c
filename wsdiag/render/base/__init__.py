"""What every view shares, from text that is safe to print up to a screen of one's own.

escape, redact     text: harmless, printable, without credentials
streams, console, terminal   stdout and stderr: what they can carry, what they may show
glyphs, error      characters to draw with; a failure in two lines
ndjson, csv_rows, record_log   records as data
schema             their contract, made from the dataclasses: schema.json and docs/json.md
output             how a command drives a view, and the tee for `--save`
live, keys, picture   a view that owns the terminal, and its keys; a view as SVG, HTML or text
trace              `-v` and `--trace`

Nothing here knows a command.
"""
