"""Following a redirect (RFC 9110, 15.4), or saying why it is not followed."""

from __future__ import annotations

import re
from dataclasses import replace

from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.report import DialError, DialReport
from wsdiag.transport.dial.target import Target, UrlError

STATUSES = (301, 302, 303, 307, 308)
_HTTP = re.compile(r"^ws(s?)://", re.IGNORECASE)
_WS = re.compile(r"^http(s?)://", re.IGNORECASE)
_CREDENTIALS = ("authorization", "cookie", "host", "proxy-authorization")


def is_redirect(error: DialError) -> bool:
    """Whether the endpoint's answer names another place; a proxy's may not send us anywhere."""
    return error.phase == "upgrade" and leads_elsewhere(error.report)


def leads_elsewhere(report: DialReport) -> bool:
    """Whether the answer is a redirect (RFC 9110, 15.4) that says where to."""
    return report.status in STATUSES and location(report) is not None


def location(report: DialReport) -> str | None:
    """The Location header; None without one."""
    values = [value for name, value in report.headers if name.lower() == "location"]
    return values[0] if values and values[0] else None


def follow(target: Target, options: DialOptions, report: DialReport) -> tuple[Target, DialOptions]:
    """Where to go next, and with what: credentials stay with their origin. DialError."""
    said = location(report) or ""
    if len(report.redirects) >= options.max_redirs:
        message = f"more than {options.max_redirs} redirect{'' if options.max_redirs == 1 else 's'}"
        raise _refusal("too-many-redirects", message, said, report)
    target_next = _target(target, said, report)
    if target.secure and not target_next.secure and not options.insecure:
        message = f"a redirect from wss:// to {target_next.url} would give up TLS (-k allows it)"
        raise _refusal("redirect-downgrade", message, said, report)
    if target_next.url in (target.url, *report.redirects):
        message = f"redirected in a loop, back to {target_next.url}"
        raise _refusal("redirect-loop", message, said, report)
    if target_next.origin == target.origin:
        return target_next._replace(userinfo=target_next.userinfo or target.userinfo), options
    without = _without_credentials(options)
    report.credentials_dropped |= without != options or target.userinfo is not None
    return target_next, without


def _target(target: Target, said: str, report: DialReport) -> Target:
    from urllib.parse import urljoin

    # urljoin resolves references against http(s) only
    base, reference = _HTTP.sub(r"http\1://", target.url), _HTTP.sub(r"http\1://", said.strip())
    try:
        url = urljoin(base, reference).partition("#")[0]
        return Target.parse(_WS.sub(r"ws\1://", url))
    except (UrlError, ValueError) as error:
        message = f"redirected to {said!r}, which is no WebSocket URL: {error}"
        raise _refusal("redirect-bad-location", message, said, report) from None


def _without_credentials(options: DialOptions) -> DialOptions:
    headers = tuple(h for h in options.headers if h[0].lower() not in _CREDENTIALS)
    return replace(
        options, headers=headers, cookies=(), user=None, bearer=None, sni=None, cert=None, key=None
    )


def _refusal(code: str, message: str, said: str, report: DialReport) -> DialError:
    return DialError("redirect", "upgrade", code, message, report, location=said)
