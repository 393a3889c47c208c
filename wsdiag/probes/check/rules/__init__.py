"""The rules of `check`: each a function that gets a `CheckTarget` and returns a `Finding`.

Fitness (always): `opening` (the dial and what was agreed; `families`: a name's addresses),
`traffic` (messages, Pings, a clean close), `survival` (idleness and keepalives), `feed` (messages
for a while), `http2` (what browsers may use). --conformance: `handshakes` (requests that servers
must accept or refuse), `conformance` (legal frames). --adversarial: `adversarial` (forbidden bytes)
with `response` (what servers do about them).

What judges is a pure function of plain values wherever it is more than a comparison, so that unit
tests reach it without a server. A rule fails for a MUST of its section, or for a limit that was
asked for; for anything less it warns.
"""
