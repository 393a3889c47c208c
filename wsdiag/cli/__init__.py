"""The command line.

How a command line becomes a run
--------------------------------

`main.run` is the script. It imports typer only when there is something to read: `--version` is
asked for by scripts that do not want to wait for it.

`app` is a group whose commands are modules of `commands/`, each imported by its name when it is
asked for, because what one command needs (asyncio, ssl, the probe, rich) costs another one ten
times as long as it takes to run. What the overview says of each command is written in the group,
for it must not import all of them to list them.

A command is a function. Its parameters are what it takes: arguments and options that are its own,
and *groups* of options, which are dataclasses whose fields are `Annotated[type, typer.Option(…)]`.
typer reads signatures and knows nothing of groups; so the decorator `declare.command` hands it a
signature with the groups' fields in the groups' place, and when typer calls with all the values
it puts each group together again. An option that several commands share is thus one field in one
class, in `options`, and is parsed, described in help, completed by shells, printed in the manual
and taken from `check`'s file from there.

A group has names and defaults as the user knows them, and a method that makes the probe's own
options of them: fields are named alike, so that what needs no conversion is copied by name. What
one option alone can say wrong is refused by its parser, what two of them cannot say together by
that method, and both as usage errors of typer's, which name the option and exit with 2.

The command then goes four steps: parse (a `Terminal`, URLs that can be URLs, enough file
descriptors: `command_setup`), probe (`run_async`, and `drive` for probes that emit events),
render (an output of `render/`), and an exit code (`exit`), which it returns.

Help is made from the commands that typer made, when it is asked for: `reference/model` reads
their parameters, `reference/pages` lays them out: `-h` on one screen, `--help` in words. The
manual and the completions come from the same model; `python -m wsdiag.cli.generate` writes them.

What may import what: `main` → `app` → `commands/*` → `check/`, `drive`, `command_setup`,
`options` → `declare`, `params`, `reference/`, `exit`. typer lives in this package only.
"""
