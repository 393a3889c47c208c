"""Conclusions: pure functions from records and round trips to what they mean.

Nothing here opens a socket, reads a clock or knows a probe: what was recorded is judged by the
same code as what is measured now. May import `records`, `statistics`, `units`, and `transport` for
the types of a dial's report; never `probes`.

    verdict/       idle trials -> the verdict of `idle-probe`; start at judge.py, then classify.py
    diagnosis/     a failed dial -> message and hint; start at hints.py, the words are in hints.toml
    products/      what is known of proxies and load balancers, and the headers that name them
    attribution    round trips, one after the other -> the cause of each outlier
    totals         what a run of Pings has counted
    summary        totals -> the summary of `ping`, with its sentences
    advice         totals -> what to set for ping_interval and ping_timeout

An outcome that the facts do not support is None, `untested` or `inconsistent`, never a guess.
"""
