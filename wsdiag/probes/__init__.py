"""What measures: one package for each of the four commands that probe an endpoint.

    connect/    one connection, each phase timed; the shortest, so start here
    ping/       round trips over time; start at run.py
    idle/       what becomes of idle connections; start at round.py
    check/      rules that an endpoint must keep; start at runner.py
    common/     what they share: awaiting a Pong, how a connection ended, stalls of this process

A probe dials through `transport`, emits `records` as things happen, and leaves what they mean to
`judgement`. Probes do not import one another. They may import `judgement`, `records`, `transport`,
`protocol`, and the leaves; never `render`, `cli` or `server`.
"""
