"""`wsdiag exporter`: long-lived connections to many endpoints, as metrics that Prometheus scrapes.

Start at exporter.py. A view of the records of probes: nothing is measured here.

    config        targets, modules and limits, as plain values
    exporter      one exporter: config, fleet, HTTP, reload, the end
    fleet         one pinger for each target; which of them a new config keeps
    heap          garbage collection that holds up no Ping
    watched       one target: its pinger's records, counted
    feed          the messages of a target that pushes: rates, silences, gaps
    occasional    idle probes now and then
    snapshot      all figures of one moment, handed to the thread that renders them
    families      what is told of each target: names, help, labels
    collector     a snapshot as all metric families
    exposition    content negotiation, and one rendering for scrapes that come together
    probe         /probe: one check of one URL, as the blackbox exporter does it
    allow         which URLs /probe may ask for
    pages         what each path answers
    http          HTTP/1.1 on the listening socket, bounded in every direction
    http_connection  one client of it

May import `probes`, `judgement`, `records`, `transport`; prometheus-client is imported here only.
"""
