"""`wsdiag serve`: an endpoint that behaves, or misbehaves exactly as asked.

Where to start: `fault` says what a fault is, and how its one declaration becomes path, option,
list, page and documentation; `connection/channel` says how bytes go through faults and how
connections end.

* `server`: listens, keeps track of its connections, stops; `background`: the same in a thread, for
  tests; `control`: faults changed while it runs; `options`: what all of them need.
* `connection/`: one module for each thing that a connection can be, from the request to the relay.
* `faults/`: the faults. `filters`: how they hold outgoing bytes back. `reply`: HTTP replies as
  values.
* `params`, `routes`, `fault_options`, `reference`, `page`: parameters, paths, options and
  documents, all made from the declarations.

Imports go down: server, connection, page, reference, fault_options, routes, faults, fault,
filters. Outside of this package only `transport`, `protocol` and `units` are used; nothing here
prints.
"""

from wsdiag.server.options import ServerOptions
from wsdiag.server.server import Server

__all__ = ["Server", "ServerOptions"]
