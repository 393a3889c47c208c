"""What describes the command line: help pages, the manual, completion scripts.

`model` reads the commands, `pages` is what `-h` and `--help` show, `manual` and `shells` are what
`python -m wsdiag.cli.generate` writes.
"""
