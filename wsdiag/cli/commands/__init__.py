"""One module per command, with a command of the module's name: parse, probe, render, exit code.

They are imported when they are asked for, by their names in `wsdiag.cli.listing`.
"""
