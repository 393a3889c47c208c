"""What one endpoint must be: limits, expectations, and which rules to judge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from wsdiag.patterns import compile_regex
from wsdiag.probes.common.jsonpath import JsonExpectation
from wsdiag.transport.dial.options import DialOptions

DEFAULT_CERT_DAYS = 14


def opening_status(http_version: str) -> int:
    """The HTTP status that opens a WebSocket: 101, over HTTP/2 and HTTP/3 200 (RFC 8441, 4)."""
    return 101 if http_version == "1.1" else 200


@dataclass(frozen=True, slots=True)
class HeaderExpectation:
    """A header of the answer whose value `pattern` must be found in; names compare without case."""

    name: str
    pattern: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> HeaderExpectation:
        """Read `Name: regex`; ValueError."""
        name, colon, pattern = text.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"{text!r} is not 'Name: regex'")
        return cls(name.strip(), compile_regex(pattern.strip()))


def parse_statuses(text: str) -> frozenset[int]:
    """HTTP statuses of `403`, `401,403` or `4xx`; ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        word = part.strip().lower()
        if re.fullmatch(r"[1-5]xx", word):
            found |= set(range(int(word[0]) * 100, int(word[0]) * 100 + 100))
        elif re.fullmatch(r"[1-5]\d\d", word):
            found.add(int(word))
        else:
            raise ValueError(f"{part.strip()!r} is not an HTTP status: write 403, 401,403 or 4xx")
    return frozenset(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """Limits and expectations, named like the flags; `_s` are seconds. None: not asked for."""

    max_connect_s: float | None = None
    max_upgrade_s: float | None = None
    cert_days: int | None = None
    """None: `DEFAULT_CERT_DAYS` on wss://, nothing on ws://."""
    expect_subprotocol: str | None = None
    expect_extensions: tuple[str, ...] = ()
    expect_status: frozenset[int] = frozenset()
    expect_headers: tuple[HeaderExpectation, ...] = ()
    count: int = 5
    max_p95_s: float | None = None
    max_loss_pct: float = 0.0
    send: str | bytes | None = None
    expect: re.Pattern[str] | None = None
    expect_json: tuple[JsonExpectation, ...] = ()
    within_s: float = 2.0
    require_idle_s: float | None = None
    require_keepalive_s: float | None = None
    stream_s: float | None = None
    """How long to watch what the endpoint pushes; the next seven are `stream`'s."""
    by: str | None = None
    seq: str | None = None
    time: str | None = None
    max_silence_s: float | None = None
    max_gap: int | None = None
    max_lag_s: float | None = None
    min_rate: float | None = None
    timeout_s: float = 5.0
    """How long any one answer (a Pong, a Close, TCP's end) may take."""
    expect_http2: bool = False
    """What is wrong over HTTP/2 is a failure, not a warning."""
    http2_look: bool = True
    """Whether to see what browsers find over HTTP/2, where the scheme is wss."""
    opens_with: int = 101
    """The status that opens: see `opening_status`."""
    conformance: bool = False
    adversarial: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    @property
    def must_refuse(self) -> bool:
        """Whether the endpoint must refuse the upgrade: rules that need one then do not apply."""
        return bool(self.expect_status) and self.opens_with not in self.expect_status

    @property
    def reads_messages(self) -> bool:
        """Whether something is looked for in messages, wherever it is in them."""
        return bool(self.expect or self.expect_json)

    def sets(self, name: str) -> bool:
        """Whether the option of this name is given, with another value than its default."""
        return bool(getattr(self, name) != getattr(_DEFAULTS, name))


_DEFAULTS = CheckOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One endpoint to check, by its name in a file where it has one."""

    url: str
    name: str | None = None
    dial: DialOptions = field(default_factory=DialOptions)
    check: CheckOptions = field(default_factory=CheckOptions)
    retry: int = 0
    """How often to try again while it does not open as it should."""
    retry_delay_s: float = 2.0

    @property
    def label(self) -> str:
        """What to call it."""
        return self.name or self.url
