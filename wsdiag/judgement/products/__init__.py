"""What is known of the products on the path: proxies, load balancers, NAT devices.

    intermediaries.toml    their timeouts with the evidence for them, and the headers that name them
    intermediaries         reads the table; `hops_from_headers` names who answered

A new product is a [[product]] in the table, with evidence that a reader can check. May import
`records`.
"""
