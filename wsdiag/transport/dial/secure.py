"""The TLS phase: whom to trust, the handshake over a stream, and what its failure tells."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable

from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReaderEnded, do_handshake
from wsdiag.transport.tls import trust
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.values import TlsFacts

# A plain server takes a ClientHello for the beginning of a long header line, and waits for its end.
_SILENCE_S = 2.0


def client_context(options: DialOptions) -> ssl.SSLContext:
    """What to trust. Raises DialError for options that cannot be used.

    Apart from the phase, whose time is the network's: reading a store of certificates, or an
    encrypted key, takes longer than a handshake.
    """
    try:
        return trust.client_context(options)
    except trust.TrustError as error:
        raise failures.trust_options(error, "tls") from error


async def start_tls(
    stream: Stream,
    target: Target,
    options: DialOptions,
    context: ssl.SSLContext,
    speaks_http: Callable[[], Awaitable[bool]],
) -> TlsFacts:
    """The `tls` phase: make `stream` encrypted; what was agreed. Raises DialError.

    When no byte comes back for long, `speaks_http` is asked whether the port is a plain one.
    """
    name = options.sni or target.host.partition("%")[0]
    layer = TlsLayer(context, server_hostname=name, below=stream.tls)
    handshake = asyncio.create_task(do_handshake(stream, layer))
    try:
        await asyncio.wait([handshake], timeout=min(_SILENCE_S, options.connect_timeout / 3))
        if not (handshake.done() or layer.first_bytes) and await speaks_http():
            raise failures.tls_on_plain_port(b"")
        await handshake
    except StreamReaderEnded as ended:
        failure = failures.tls_ended(ended)
        failure.facts |= trust.offered(options)
        raise failure from ended
    except OSError as error:
        failure = failures.tls(error, layer, name)
        failure.facts |= trust.store_facts(context, options) | trust.offered(options)
        raise failure from error
    finally:
        handshake.cancel()
    return trust.facts(layer.object, verified=not options.insecure)
