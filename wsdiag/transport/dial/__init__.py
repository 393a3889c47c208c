"""From a URL to an open session.

Start with `dialer.py`: `dial()`. A phase is a function that takes what it needs and returns what it
found, or raises DialError:

    connector, carriers                       the order of the phases: to the target, to a WebSocket
    phase_log                                 who times, traces and records them
    resolve, race, tunnel, secure, upgrade    the phases: dns, tcp, proxy, tls, upgrade
    http2, http3                              the same over HTTP/2 and 3: quic, settings, upgrade
    content                                   what follows an answer there: a refusal's body, a page
    target, hostnames, options, netrc, proxy  what is asked for, and by which proxy
    redirects                                 where an answer leads, with -L
    failures                                  what went wrong, as DialErrors with stable codes
    fallback_probes                           after a failure: what is spoken there instead

Names follow curl(1) where curl has them. May import the rest of `transport`, and `protocol`.
"""
