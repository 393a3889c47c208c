"""Real servers, proxies and networks that the tests talk to; nothing here is a mock.

What there is, and where:

* `peers.py`     `Peers`, behind the fixtures `peers` and `session_peers`: starts and ends the rest
* `process.py`   child processes: they die with the test run, keep a log, all waits are bounded
* `tools.py`     `require_tool("nginx")`: skip with a reason, or fail when CI=true
* `servers.py`   echo servers by other people: websockets, aiohttp, Node's ws (see `programs/`)
* `proxies.py`   nginx, HAProxy and Apache in front of such a server, one template each
* `envoy.py`     Envoy, likewise, over HTTP/1.1 and HTTP/2
* `netns.py`     network namespaces: made, entered, removed; names are unique to this process
* `nat.py`       a conntrack NAT between namespaces that forgets idle flows
* `chain.py`     routers in a row, each of which may translate, forget, be silent or send resets
* `bridge.py`    a container on such a host, behind a bridge and MASQUERADE as Docker makes them
* `wan.py`       a line with delay, loss and a bottleneck between namespaces
* `command.py`   `wsdiag` itself as a user runs it, its records held to its own JSON Schema
* `terminal.py`  a terminal of a given size, with what a person would see on it
* `certs.py`     a throw-away certificate authority

Rules: ports are 0 or retried, processes are ended by pid, namespaces are removed even when a test
fails, and a run that was killed leaves names (`wsd<pid>…`) which the next run removes.
"""
