"""The machines between here and where TCP ends, asked within a connection's own flow (Linux).

raw             sockets that need CAP_NET_RAW: ICMP errors in, packets of our own making out
capture         a connection's own packets, by AF_PACKET
flow_tracer     copies of a connection's segments with small hop limits, and who answered each
ping_tracer     without the capability: a Ping with a small TTL, and SYNs beside the flow
hop_distance    from how far away the packets of a connection come, and the one that ended it
reverse_dns     names of addresses

Start with `flow_tracer.py`. Nothing here adds a byte to a stream; `ping_tracer` delays one.
"""
