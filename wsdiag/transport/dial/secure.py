"""The TLS phase: whom to trust, the handshake over a stream, and what its failure tells."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from wsdiag.transport.dial import failures
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target
from wsdiag.transport.report import DialError, Progress
from wsdiag.transport.stream.stream import Stream
from wsdiag.transport.stream.stream_reader import StreamReaderEnded, do_handshake
from wsdiag.transport.tls import trust
from wsdiag.transport.tls.layer import TlsLayer
from wsdiag.transport.tls.values import TlsFacts

# Longer than most handshakes; one that takes longer goes on while something else is tried.
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
    second_look: Callable[[], Coroutine[Any, Any, DialError | None]],
    progress: Progress | None = None,
) -> TlsFacts:
    """The `tls` phase: make `stream` encrypted; what was agreed. Raises DialError.

    When no byte comes back for long, `second_look` is asked what else is spoken there, while the
    handshake goes on: only what it finds for certain ends the phase.
    """
    progress = progress or Progress()
    name = options.sni or target.tls_name
    messages = trust.watch_handshake(context)
    layer = TlsLayer(context, server_hostname=name, below=stream.tls)
    look = partial(trust.facts, verified=not options.insecure)
    handshake = asyncio.create_task(do_handshake(stream, layer, look))
    looking: asyncio.Task[DialError | None] | None = None
    try:
        await asyncio.wait([handshake], timeout=min(_SILENCE_S, options.connect_timeout / 3))
        if not (handshake.done() or layer.received):
            looking = asyncio.create_task(second_look())
            await asyncio.wait([handshake, looking], return_when=asyncio.FIRST_COMPLETED)
            failure = None if handshake.done() else looking.result()
            if failure is not None and failure.facts["certain"]:
                raise failure
            progress.failure = None if layer.received else failure
        progress.took_ns, negotiated = await handshake
    except StreamReaderEnded as ended:
        failure = failures.tls_ended(ended, messages)
        failure.facts |= trust.offered(options)
        raise failure from ended
    except OSError as error:
        failure = failures.tls(error, layer, name, messages, own_certificate=bool(options.cert))
        failure.facts |= trust.store_facts(context, options) | trust.offered(options)
        raise failure from error
    finally:
        progress.facts |= _facts(stream, layer, messages, options)
        trust.watch_no_more(context)
        handshake.cancel()
        if looking is not None:
            looking.cancel()
    return negotiated


def _facts(
    stream: Stream, layer: TlsLayer, messages: list[str], options: DialOptions
) -> dict[str, Any]:
    """What a handshake that does not end has shown: what came, and whether packets were lost."""
    facts: dict[str, Any] = {"received": layer.received}
    facts["certificate_request"] = "yes" if trust.asked_for_certificate(messages) else ""
    facts["own_certificate"] = "yes" if options.cert else ""
    acknowledged, info = stream.acknowledged(), stream.tcp_info()
    if acknowledged is not None:
        facts["acknowledged"] = "yes" if acknowledged else "no"
    if info is not None and info.reordered:
        facts["out_of_order"] = info.reordered
    return facts
