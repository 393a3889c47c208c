"""One module for each thing that a connection of serve can be.

* `pending_upgrade`: a connection whose request is being read; every connection starts here, except
  under `--raw`. It answers with HTTP, or becomes a channel.
* `channel`: what faults work on. Start here: its docstring says how bytes, back-pressure and
  endings go. Its subclasses say what flows: `client_connection`: WebSocket messages, echoed;
  `relay_connection`: WebSocket messages, to an upstream and back; `raw_channel`: plain bytes, to
  an upstream and back.
* `http2_front`: an HTTP/2 connection, each of whose requests is a pending upgrade of its own.
* `upstream`: how a relay reaches the other side.

Imports `fault`, `filters` and `reply`, and for requests `routes` and `page`; never the server:
what a connection needs of it is the protocol `ConnectionOwner`.
"""
