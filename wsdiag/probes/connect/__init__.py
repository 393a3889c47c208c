"""`wsdiag connect`: one connection from its name to a clean close, each phase timed.

    run        dial, one Ping, close; the result as a record, whatever happened
    interrupt  Ctrl-C cuts short what is awaited
    notes      what it says about what it found, and the errors after a dial

Why a dial failed is `judgement.diagnosis`'s to say. May import `judgement`, `probes.common`,
`records`, `transport`, `protocol`.
"""
