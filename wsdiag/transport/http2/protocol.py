"""h2's connection as we need it, and its errors in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from time import monotonic_ns
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, Event, ResponseReceived
from h2.exceptions import (
    DenialOfServiceError,
    FlowControlError,
    FrameTooLargeError,
    ProtocolError,
    TooManyStreamsError,
)
from h2.settings import SettingCodes, Settings

from wsdiag.protocol.extended_connect import MALFORMED
from wsdiag.protocol.http import Headers

STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 1 << 24
MAX_HEADER_LIST = 64 * 1024
_DEFAULT_WINDOW = 65535
_BUDGET, _BUDGET_PER_S, _PER_USEFUL_FRAME = 1000.0, 100.0, 4.0
_NAMES = {
    "Settings": "SETTINGS",
    "Ping": "PING",
    "RstStream": "RST_STREAM",
    "WindowUpdate": "WINDOW_UPDATE",
    "Data": "empty DATA",
    "Priority": "PRIORITY",
    "GoAway": "GOAWAY",
    "AltSvc": "ALTSVC",
    "PushPromise": "PUSH_PROMISE",
}


class FloodError(ProtocolError):  # type: ignore[misc, unused-ignore]
    """Too many frames that carry nothing."""

    error_code = ErrorCodes.ENHANCE_YOUR_CALM


class MalformedError(ProtocolError):  # type: ignore[misc, unused-ignore]
    """A header block that breaks a rule of messages (RFC 9113, 8.1.1)."""


class FrameBudget:
    """How many frames that carry nothing a peer may send: some at once, then some each second."""

    def __init__(self) -> None:
        self._left, self._at_ns = _BUDGET, monotonic_ns()
        self._seen: Counter[str] = Counter()

    def credit(self) -> None:
        """A frame that carries something crossed: a peer may answer it by some that do not."""
        self._left = min(_BUDGET, self._left + _PER_USEFUL_FRAME)

    def take(self, frame: Any) -> None:
        """Account for a frame from the peer. Raises FloodError."""
        name = type(frame).__name__.removesuffix("Frame")
        if name in ("Headers", "Continuation"):  # bounded by h2
            return
        if name == "Data" and frame.data:
            self.credit()
            return
        at_ns = monotonic_ns()
        refill = (at_ns - self._at_ns) / 1e9 * _BUDGET_PER_S
        self._left, self._at_ns = min(_BUDGET, self._left + refill) - 1, at_ns
        self._seen[_NAMES.get(name, "unknown")] += 1
        if self._left < 0:
            most, count = self._seen.most_common(1)[0]
            raise FloodError(f"a flood of {most} frames ({count} of them)")


class Http2Protocol(H2Connection):  # type: ignore[misc, unused-ignore]
    """h2 with a budget, whose streams below a GOAWAY's last id live on (RFC 9113, 6.8)."""

    def __init__(self, config: H2Configuration) -> None:
        super().__init__(config)
        self.budget = FrameBudget()

    def _receive_frame(self, frame: Any) -> list[Event]:
        self.budget.take(frame)
        return super()._receive_frame(frame)

    def _receive_goaway_frame(self, frame: Any) -> tuple[list[Any], list[Event]]:
        # h2's own closes the state machine, after which every further frame is an error.
        event = ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        event.additional_data = frame.additional_data or None
        return [], [event]

    def _receive_headers_frame(self, frame: Any) -> tuple[list[Any], list[Event]]:
        try:
            frames, events = super()._receive_headers_frame(frame)
        except ProtocolError as error:
            # of those that are no kind of their own, one came from HPACK, one from a stream's state
            if type(error) is not ProtocolError or error.__cause__ or "Invalid input" in str(error):
                raise
            raise MalformedError(str(error).replace("b'", "'")) from error
        for event in events:
            if (
                isinstance(event, ResponseReceived)
                and dict(event.headers).get(b":status") == b"200"
            ):
                # all requests are CONNECTs: their success has no Content-Length, and one that it
                # has all the same is to be ignored (RFC 9110, 9.3.6)
                self._get_stream_by_id(event.stream_id)._expected_content_length = None
        return frames, events


def client_protocol() -> Http2Protocol:
    """A client's connection; its preface waits to be sent."""
    protocol = _protocol(client=True)
    protocol.local_settings = Settings(
        client=True,
        initial_values={
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
        },
    )
    return _begin(protocol)


def server_protocol(*, enable_connect: bool = True, window: int = STREAM_WINDOW) -> Http2Protocol:
    """A server's connection; `window`: the bytes a client may send before it is granted more."""
    protocol = _protocol(client=False)
    values = {
        SettingCodes.MAX_CONCURRENT_STREAMS: 100,
        SettingCodes.INITIAL_WINDOW_SIZE: window,
        SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
    }
    if enable_connect:
        values[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
    protocol.local_settings = Settings(client=False, initial_values=values)
    return _begin(protocol)


def _protocol(*, client: bool) -> Http2Protocol:
    return Http2Protocol(
        H2Configuration(
            client_side=client,
            header_encoding=None,
            # the headers are the user's, and serve must be able to write bad ones
            validate_outbound_headers=False,
            normalize_outbound_headers=True,
        )
    )


def _begin(protocol: Http2Protocol) -> Http2Protocol:
    protocol.initiate_connection()
    protocol.increment_flow_control_window(CONNECTION_WINDOW - _DEFAULT_WINDOW)
    return protocol


def setting_names(settings: dict[int, int]) -> list[tuple[str, int]]:
    """SETTINGS by their names (RFC 9113, 6.5.2; RFC 8441, 3)."""
    known = {int(code): code.name for code in SettingCodes}
    return [(known.get(int(code), f"0x{int(code):x}"), value) for code, value in settings.items()]


def violation_text(error: Exception) -> str:
    """What the peer did wrong, in words."""
    said = str(error).removesuffix(".")
    if isinstance(error, DenialOfServiceError):
        return f"its headers exceed {MAX_HEADER_LIST // 1024} KiB"
    if isinstance(error, FrameTooLargeError):
        return f"a frame larger than was allowed ({said})"
    if isinstance(error, MalformedError):
        return f"{MALFORMED}: {said} (RFC 9113, 8.1.1)"
    if isinstance(error, FlowControlError):
        return f"it broke flow control ({said})"
    if isinstance(error, TooManyStreamsError):
        return f"too many streams ({said})"
    if "continuation" in said.lower():
        return "a header block in too many CONTINUATION frames"
    return said or type(error).__name__


def encoded(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """A header block as h2 takes it."""
    return [(name.encode("latin-1", "replace"), _value(value)) for name, value in headers]


def _value(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")


def decoded(headers: Sequence[tuple[bytes, bytes]] | None) -> Headers:
    """A header block as h2 tells it."""
    return [
        (bytes(name).decode("latin-1"), bytes(value).decode("latin-1"))
        for name, value in headers or ()
    ]
