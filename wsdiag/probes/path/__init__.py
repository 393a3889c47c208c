"""The path probe: which machines are on the way, by the connection's own flow.

options     what is asked for
run         from the dial to the summary: rounds, and a Ping after each
flow        the connection's own flow, watched
hops        who is asked for the hops: by copies of segments, or by Pings with a small TTL
rows        a hop's figures so far
refusals    why there is nothing to trace, or not all of it, in words
"""
