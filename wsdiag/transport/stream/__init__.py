"""One connected socket as a byte stream, with the times of what crosses it.

Start with `stream.py`, which says how a stream lives and ends:

    stream            reading, writing, closing; who is told
    ends              the states of our side as a table; how the peer's side ended
    byte_stream       what a session needs of any stream: TCP's, or one of HTTP/2 or 3
    held_input        what came of a stream of HTTP/2 or 3, until its handler takes it
    send_buffer       what the kernel has not taken yet
    tls_stream        TLS between the two
    stream_reader     pulls bytes, for the conversations before a session
    stamps            moments, and the round trip between two of them
    timestamping      Linux SO_TIMESTAMPING: the kernel's own moments
    tcp               TCP_INFO, the send queue, keepalive, addresses
    blackhole         a socket whose kernel drops what arrives

May import `transport.tls`.
"""
