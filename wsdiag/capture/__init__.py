"""Recorded traffic to facts: what `explain` reads, and what it finds out about each connection.

Bytes become packets (`packet_files.py`), packets become flows (`flows.py`, and `flow.py` for each:
TCP reassembly, with what TCP itself shows), a flow's bytes become an upgrade (`conversation.py`,
`opening.py`) and frames (`exchange.py`, `messages.py`), and then an end (`ends.py`); all of that is
written down as one `ConnectionFacts` for each connection (`notebook.py`; see
`judgement.recorded`). The other sources (HAR files, own records, access logs) end there as well.
Nothing is concluded here: `judgement` reads the facts, live or recorded.

A capture is read once, as a stream, and may be larger than memory: what is kept is bounded by the
connections that are open and by a window for segments out of order. Peers and files are hostile
here as anywhere: lengths are checked, and nothing recurses.

May import `packets`, `protocol`, `dialects` and `records`.
"""
