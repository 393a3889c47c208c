"""A trial's connection: opened at an endpoint that may not want so many at once, then used."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from functools import partial
from time import monotonic_ns

from wsdiag.probes.common.participant import HelloError, Part, Participant, open_session
from wsdiag.transport.dial.carriers import SharedHttp2
from wsdiag.transport.dial.connector import TcpWatcher
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError
from wsdiag.transport.stream.stamps import SendRecord
from wsdiag.transport.trace import Tracer

_TOO_MANY = frozenset({429, 503})
_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
_SPREAD_S = 0.1


class TrialConnection:
    """An open session, on the axis of seconds since its upgrade."""

    def __init__(self, participant: Participant) -> None:
        self.participant = participant
        self.session = participant.session

    def now_s(self) -> float:
        """The connection's age."""
        return self.since_upgrade_s(monotonic_ns())

    @property
    def last_byte_s(self) -> float:
        """When bytes last crossed the socket, be it of a message that is still incomplete."""
        return self.since_upgrade_s(self.session.stream.last_activity)

    def since_upgrade_s(self, mono_ns: int) -> float:
        """A moment of the monotonic clock on this axis."""
        return max(0.0, (mono_ns - self.session.opened.mono_ns) / 1e9)

    @property
    def upgrade_s(self) -> float:
        """How long the upgrade took."""
        report = self.session.report
        return 0.0 if report is None else report.phases_ms.get("upgrade", 0.0) / 1e3

    @property
    def truncated(self) -> bool:
        """Whether the stream ended inside a frame, which is no more than an end."""
        return self.session.connection.truncated

    def acknowledged(self, sent: SendRecord | None = None) -> bool | None:
        """Whether TCP has acknowledged what was `sent`, or all that was; None: it does not tell."""
        return self.session.stream.acknowledged(sent)

    def retransmits(self) -> int | None:
        """TCP segments sent again so far; None where TCP does not tell."""
        info = self.session.tcp_info()
        return None if info is None else info.total_retrans

    def window_is_zero(self) -> bool:
        """Whether the peer's TCP said last that it takes nothing more."""
        info = self.session.tcp_info()
        return info is not None and info.snd_wnd == 0

    def set_tcp_keepalive(self, gap_s: float) -> None:
        """Let the kernel probe this often; where it cannot, there are no probes."""
        with suppress(OSError):
            self.session.stream.set_keepalive(gap_s)


async def dial_patiently(
    url: str,
    options: DialOptions,
    tracer: Tracer | None,
    refusals: list[str],
    index: int,
    part: Part,
    watcher: TcpWatcher | None = None,
    shared: SharedHttp2 | None = None,
) -> Participant:
    """A new connection after up to three attempts, with growing pauses. Raises the last DialError.

    Why earlier attempts failed goes to `refusals`. `index` keeps connections that were refused
    together from coming back together. Who asks for a pause longer than a probe can wait is not
    asked again. `shared`: the HTTP/2 connection whose stream it is to be.
    """
    open_once = partial(
        open_session,
        url,
        options,
        tracer=tracer,
        timestamps=False,
        part=part,
        watcher=watcher,
        shared=shared,
    )
    for attempt in range(_ATTEMPTS - 1):
        try:
            return await open_once()
        except HelloError:
            raise  # asked again, it would say the same
        except DialError as error:
            busy = error.report.status in _TOO_MANY
            if not busy and error.kind not in ("refused", "timeout", "closed"):
                raise
            pause_s = _pause_s(error, attempt)
            if pause_s > _LONGEST_PAUSE_S:
                raise
            refusals.append(refusal_text(error))
            await asyncio.sleep(pause_s + _SPREAD_S * (index % 8))
    return await open_once()


def _pause_s(error: DialError, attempt: int) -> float:
    """What Retry-After asks for (RFC 9110, 10.2.3); else a doubling pause."""
    asked = _retry_after(error)
    return _FIRST_PAUSE_S * float(2**attempt) if asked is None else float(asked)


def _retry_after(error: DialError) -> str | None:
    for name, value in error.report.headers:
        if name.lower() == "retry-after" and re.fullmatch(r"[0-9]{1,9}", value.strip()):
            return value.strip()
    return None


def refusal_text(error: DialError) -> str:
    """Why a connection was not opened, in a few words."""
    if error.report.status in _TOO_MANY:
        words = f"HTTP {error.report.status} {error.report.reason}".strip()
        asked = _retry_after(error)
        return words if asked is None else f"{words}, Retry-After: {asked}"
    return error.message
