"""The command line.

How a command line becomes a run
--------------------------------

`main.run` is the script. It imports typer only when there is something to parse: importing it takes
several times as long as printing the version.

`app` is the group of commands. Each command is a module of `commands/`, imported only when it runs,
because what one needs (asyncio, ssl, a probe, rich) would slow down all the others. `listing` has
the commands' names and what each of them answers, so that `wsdiag -h` imports none of them.

A command is a function. Its parameters are its own arguments and options, and *groups* of options:
dataclasses whose fields are `Annotated[type, typer.Option(…)] = default`. typer reads a function's
signature and knows nothing of groups, so the decorator `declare.command` gives it a signature with
each group replaced by its fields, and, when typer calls with all the values, builds the groups and
calls the function. An option that several commands share is therefore one field of one class
(`options`), and the parser, help pages, shell completion, the manual and the file of `check -f`
all get it from there.

A group has the names and defaults that users know, and a method that turns it into the options of
the probe. Its fields are named like those of the probe's options, so that whatever needs no
conversion is copied by name. What is wrong with one option is refused by its parser, what is wrong
with two together by that method: both as typer.BadParameter, which names the option, exits with 2,
and is also how a mistake in `check`'s file gets its line.

A command then takes four steps. Parse: the groups, a `Terminal`, URLs, file descriptors
(`command_setup`). Probe: `run_async` turns signals and Ctrl-C into a stop, and `drive` runs probes
that emit events. Render: an output from `render/`. Exit code: the command returns it (`exit`).

Help is our own (`-h` on one screen, `--help` in words): `reference/model` reads the commands as
typer made them, by their public attributes, and `reference/pages` lays them out when asked. The
manual and the completion scripts come from the same model; they are committed, and
`python -m wsdiag.cli.generate` rewrites them.

What is wrong with a line is reported as any other failure is, with what was meant (`usage`).

Imports go down: main, generate → app → commands → exporter_file, exporter_report, serve_report →
check/, drive, event_printer → declare, run_async → usage → command_setup → reference/ → options →
interrupt, listing, params, password_prompt → exit. typer is imported in this package only.
"""
