"""HTTP/3 under a WebSocket (RFC 9220), as a client; needs the extra `http3`.

    connection   SETTINGS, one CONNECT, its stream of bytes: start here
    control      GOAWAY, which aioquic does not tell
    quic         the connection below, over UDP: datagrams, timer, handshake

`aioquic` is imported here and nowhere else. Times are taken in user space: the kernel stamps
nothing of QUIC. May import `transport.stream` and below.
"""
