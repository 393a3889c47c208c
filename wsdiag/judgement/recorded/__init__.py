"""What recorded connections mean: who ended each, why, and what many ends have in common.

* `facts.py`: `ConnectionFacts`, what is known of one connection, whatever it was recorded by.
* `connection.py`: `judge_connection`, one connection by itself: its outcome, who ended it, and the
  evidence in sentences.
* `pairs.py`: connections that were captured twice, at both ends (`both_ends.py`) or on both sides
  of a proxy (`legs.py`), are one.
* `together.py`: the connections to one endpoint: they become the trials (`trials.py`) of an idle
  probe that nobody planned, and the verdict on them is the live probe's; `ages.py`: those of a log.

Pure functions. Nothing here reads a file, knows a packet, or draws.
"""
