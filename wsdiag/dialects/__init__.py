"""Application protocols that run over WebSocket: what they are told by, and how they keep alive.

Many endpoints expect more of a client than WebSocket does: a first message (here: a hello), or an
answer to a heartbeat of their own. A client that does neither is closed, on a clock that looks
like a proxy's idle timeout and is none. `dialects.toml` holds what is known, a table for each
protocol with its evidence; no code knows a protocol by name.

* `catalogue.py`: the tables as dataclasses, and `recognise`, which tells a protocol from a URL, a
  subprotocol and the first message.
* `engine.py`: `DialectSession`, one connection's side of such a protocol, without I/O: messages
  in, what they are and what to answer out.
* `heartbeat.py`: messages of protocols without a table that say that they are heartbeats.
* `listing.py`: the tables for people.

Start with `dialects.toml`. Imports nothing of wsdiag's.
"""
