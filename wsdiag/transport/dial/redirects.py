"""Following a redirect (RFC 9110, 15.4), or saying why it is not followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from wsdiag.credentials import is_credential_header, mask_subprotocols
from wsdiag.protocol.http import Response
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError

STATUSES = (301, 302, 303, 307, 308)
_HTTP = re.compile(r"^ws(s?)://", re.IGNORECASE)
_WS = re.compile(r"^http(s?)://", re.IGNORECASE)


class RedirectTarget(NamedTuple):
    """Where to go next, and with what; whether credentials had to stay behind."""

    target: Target
    options: DialOptions
    credentials_dropped: bool = False


def location(response: Response | None) -> str | None:
    """Where an answer sends its client (RFC 9110, 15.4); None where it does not say."""
    if response is None or response.status not in STATUSES:
        return None
    values = [value for name, value in response.headers if name.lower() == "location"]
    return values[0] if values and values[0] else None


def follow(
    target: Target, options: DialOptions, where: str, before: tuple[str, ...] = ()
) -> RedirectTarget:
    """What `where`, a Location header of `target`, leads to; `before`: the URLs that led there.

    Credentials stay with their origin. Raises DialError for a redirect that must not be followed.
    """
    if len(before) >= options.max_redirs:
        message = f"more than {options.max_redirs} redirect{'' if options.max_redirs == 1 else 's'}"
        raise _refusal("too-many-redirects", message, where)
    from urllib.parse import urljoin

    # urljoin resolves references against http(s) only
    base, reference = _HTTP.sub(r"http\1://", target.url), _HTTP.sub(r"http\1://", where.strip())
    reference = reference.replace(" ", "%20")  # as browsers read it
    try:
        url = urljoin(base, reference).partition("#")[0]
        target_next = Target.parse(_WS.sub(r"ws\1://", url))
    except (UrlError, ValueError) as error:
        message = f"redirected to {where!r}, which is not a WebSocket URL: {error}"
        raise _refusal("redirect-bad-location", message, where) from None
    if target.secure and not target_next.secure and not options.insecure:
        message = f"a redirect from wss:// to {target_next.url} would give up TLS (-k allows it)"
        raise _refusal("redirect-downgrade", message, where)
    if target_next.url in (target.url, *before):
        message = f"redirected in a loop, back to {target_next.url}"
        raise _refusal("redirect-loop", message, where)
    if target_next.origin == target.origin:
        kept = target_next._replace(userinfo=target_next.userinfo or target.userinfo)
        return RedirectTarget(kept, options)
    headers = tuple(
        (name, sent_on)
        for name, value in options.headers
        if name.lower() != "host" and (sent_on := _without_tokens(name, value)) is not None
    )
    without = replace(
        options,
        headers=headers,
        subprotocols=_without_hidden(options.subprotocols),
        cookies=(),
        user=None,
        bearer=None,
        sni=None,
        cert=None,
        key=None,
        hello=(),
    )
    return RedirectTarget(target_next, without, without != options or target.userinfo is not None)


def _without_tokens(name: str, value: str) -> str | None:
    """A header's value for another origin; None: the header stays behind."""
    if is_credential_header(name):
        return None
    if name.lower() != "sec-websocket-protocol":
        return value
    offered = [part.strip() for part in value.split(",")]
    return ", ".join(_without_hidden(offered)) or None


def _without_hidden(offered: Sequence[str]) -> tuple[str, ...]:
    shown = mask_subprotocols(offered)
    return tuple(name for name, seen in zip(offered, shown, strict=True) if name == seen)


def _refusal(code: str, message: str, where: str) -> DialError:
    return DialError("redirect", "upgrade", code, message, location=where)
