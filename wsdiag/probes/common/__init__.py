"""What probes share.

* `answers`     what is wrong with an answer that opened all the same
* `await_pong`  send a Ping and await its Pong, or await another event; every other end has a name
* `drops`       how a connection ended, in the records' words
* `messages`    messages of any protocol as text, for patterns and people
* `phases`      a dial's phases as a record
* `stalls`      when this process itself did not run

Imports records, transport and protocol; knows none of the probes.
"""
