"""What every view shares, from text that is safe to print up to a screen of one's own.

escape, redact     text: harmless, printable, without credentials
streams, console, terminal   stdout and stderr: what they can carry, what they may show
glyphs, error      characters to draw with; a failure in two lines
ndjson, csv_rows   records as data
schema             their contract, made from the dataclasses: schema.json and docs/json.md
output             how a command drives a view, and the tee for `--save`
live, picture      a view that owns the terminal; a view as SVG, HTML or text
trace              `-v` and `--trace`

Nothing here knows a command.
"""
