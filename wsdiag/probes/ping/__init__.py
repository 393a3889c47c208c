"""`wsdiag ping`: round trips over time, for any number of URLs at once.

Start at run.py; its `events()` is what commands and the API iterate over.

    options         what is sent and what must hold
    run             all URLs of a run, and the queue of events that they share
    pinger          one URL: dial, ping, reconnect, summary
    sender          one connection: Pings out, answers in; how a round trip is computed
    outstanding     what becomes of a Ping without an answer: overdue, skipped, lost; silence
    outage          --reconnect: how long nothing was answered, and how often
    payloads        payloads that name their Ping, so that no other answer is taken for its own
    schedule        when a Ping is due, and how long to wait before reconnecting
    tcp_observer    what TCP_INFO and kernel timestamps say about one Ping
    load            --load: data on the connection while Pings measure
    outcome         exit code and shortfalls, from the summaries

Causes, totals and the summary are `judgement`'s. May import `judgement`, `probes.common`,
`records`, `transport`, `protocol`.
"""
