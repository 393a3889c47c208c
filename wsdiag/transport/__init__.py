"""Sockets, TLS and the clock: the only package that touches the network.

Start with `session.py`: an open WebSocket connection, which is what probes work with. `dial/`
makes one from a URL; `listen.py` accepts connections for the server. Both rest on `stream/`, a byte
stream whose reads and writes carry times, plain or over `tls/`.

    dial/      from a URL to a Session: names, TCP, proxy, TLS, upgrade, redirects
    path/      which machines are between here and where TCP ends (CAP_NET_RAW, mostly)
    session    pumps bytes between a stream and `wsdiag.protocol`
    listen     a listening socket; each connection becomes a Stream
    trace      what a dial and a session report to -v and --trace
    report     what a dial found out; DialError
    http2/     one HTTP/2 connection and its streams (extra `http2`); http3/ the same over QUIC
    stream/    reads, writes and ends of one socket; kernel timestamps; TCP's options
    tls/       TLS over memory, whom to trust, what a certificate says
    hires_loop, machine    timers to the microsecond; suspended time, open files

Imports go down this list (a contract in pyproject.toml holds it). From outside the package come
`wsdiag.protocol` and `wsdiag.version`, nothing from above.
"""
