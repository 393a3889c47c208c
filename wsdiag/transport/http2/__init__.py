"""HTTP/2 under a WebSocket (RFC 9113, RFC 8441), in either role; needs the extra `http2`.

    connection   one connection: SETTINGS, PING, GOAWAY, floods; hands DATA to its streams
    notices      what the peer said of a connection that goes on: GOAWAY, SETTINGS
    stream       one stream as a byte stream: flow control, END_STREAM, RST_STREAM
    protocol     h2's state machine, corrected where RFC 9113 asks for more; what is a violation

`h2` is imported here and nowhere else. May import `transport.stream` and below.
"""
