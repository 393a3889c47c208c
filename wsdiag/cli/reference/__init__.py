"""Made from the command line's declarations: help pages, the manual, shells' completion scripts."""
