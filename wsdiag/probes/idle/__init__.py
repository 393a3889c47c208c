"""The idle probe: does anything on the path drop idle connections, when, how, and what helps?

Start at `round`, which says why the probe looks as it does, then `phases`, the life of one trial.

    run         IdleRun: one or more URLs, from their probes to their verdicts
    endpoint    one URL: the control connection, the rounds, the refinement of a silent drop
    round       all trials of one pass, ended as soon as enough is known
    plan        which trials, when: pure; `options`: what was asked for
    trial       one trial: does on its connection what its state says is due
    state       what a trial knows, and which event follows from it: pure; `phases`: the table
    activity    when bytes crossed, and how idle that leaves a connection: pure
    keepalives  a row for each kind of trial: what it sends, how often
    connection  dialling, and a session as a trial sees it
    record      from a trial's state to its record; `outcome`: from verdicts to the exit code
    context     what trials share; `clock`: their time, and what disturbed it

Imports from `judgement`, `records`, `transport`, `protocol` and `probes.common`.
"""
