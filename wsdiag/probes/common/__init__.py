"""What probes share.

* `await_pong`  send a Ping and await its Pong, or await another event; every other end has a name
* `drops`       how a connection ended, in the records' words
* `stalls`      when this process itself was held up

Imports records, transport and protocol; knows none of the probes.
"""
