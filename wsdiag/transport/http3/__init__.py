"""HTTP/3 under a WebSocket (RFC 9220), as a client; needs the extra `http3`.

    connection   one QUIC connection over UDP: handshake, SETTINGS, one CONNECT, its stream of bytes
    control      GOAWAY, which aioquic does not tell

`aioquic` is imported here and nowhere else. Times are taken in user space: the kernel stamps
nothing of QUIC. May import `transport.stream` and below.
"""
