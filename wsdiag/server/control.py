"""The control port: `GET /faults` and `POST /faults` on loopback, with a token."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import Any

import h11

from wsdiag.server.fault import Fault
from wsdiag.server.reply import Reply
from wsdiag.server.routes import build_faults, spec_of
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

MAX_BODY = 65536
_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class ControlRequest:
    """One request to the control port, answered once.

    The token is sent in `Authorization: Bearer TOKEN`. A web page cannot send that header here
    without asking first (CORS), and the question is refused like any other request. What a browser
    sends for a page is refused anyway: it has an Origin, or (DNS rebinding) the page's own Host.
    """

    def __init__(
        self,
        stream: Stream,
        token: str,
        faults: Callable[[], tuple[Fault, ...]],
        change: Callable[[list[Fault]], None],
    ) -> None:
        self._stream, self._token = stream, token
        self._faults, self._change = faults, change
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_BODY)
        self._request: h11.Request | None = None
        self._body = b""
        self._timer = asyncio.get_running_loop().call_later(_TIMEOUT_S, stream.reset)
        self._done = False

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes of the request."""
        if self._done:
            return
        try:
            self._http.receive_data(data)
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.Request):
                    self._request = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > MAX_BODY:
                        self._answer(413, {"error": f"more than {MAX_BODY} bytes"})
                        return
                elif isinstance(event, h11.EndOfMessage):
                    assert self._request is not None
                    self._answer(*self._serve(self._request))
                    return
        except h11.RemoteProtocolError as error:
            self._answer(400, {"error": str(error)})

    def stream_ended(self, end: StreamEnd) -> None:
        """The client left."""
        self._timer.cancel()
        self._stream.close()

    def _serve(self, request: h11.Request) -> tuple[int, dict[str, Any]]:
        """The status and the JSON that answer the request."""
        headers = dict(request.headers)
        host = headers.get(b"host", b"").decode("latin-1").rpartition(":")[0]
        if b"origin" in headers or host not in _LOOPBACK:
            refused = "browser requests and non-loopback Host headers are refused"
            return 403, {"error": refused}
        if not self._is_authorized(request):
            return 401, {"error": "send Authorization: Bearer TOKEN"}
        if request.target != b"/faults":
            return 404, {"error": "the only path is /faults"}
        if request.method in (b"POST", b"PUT"):
            try:
                self._change(self._read_faults())
            except (ValueError, KeyError, RecursionError) as error:
                return 400, {"error": str(error) or "not JSON"}
        elif request.method != b"GET":
            return 405, {"error": "use GET or POST"}
        return 200, {"faults": [spec_of(fault) for fault in self._faults()]}

    def _is_authorized(self, request: h11.Request) -> bool:
        sent = [value for name, value in request.headers if name == b"authorization"]
        wanted = b"Bearer " + self._token.encode()
        return len(sent) == 1 and hmac.compare_digest(sent[0], wanted)

    def _read_faults(self) -> list[Fault]:
        """Faults of `{"faults": ["latency/200?jitter=20", "idle/2?drop=rst"]}`; none of `[]`."""
        value = json.loads(self._body)
        specs = value["faults"] if isinstance(value, dict) else None
        if not isinstance(specs, list) or not all(isinstance(each, str) for each in specs):
            raise ValueError('write {"faults": ["latency/200", …]}')
        return build_faults(specs)

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        self._done = True
        self._stream.write(Reply.json(status, value).render(), stamp=False)
        self._stream.half_close()
