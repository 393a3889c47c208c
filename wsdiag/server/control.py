"""The control port: `GET /faults` and `POST /faults` on loopback, with a token."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11

from wsdiag.protocol.server_handshake import refusal
from wsdiag.server.common import build_faults
from wsdiag.server.params import params_of
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.server.fault import Fault

MAX_BODY = 65536
_TIMEOUT_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_JSON = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]


class Control:
    """One request to the control port, answered once.

    The token stands in `Authorization: Bearer TOKEN`. A web page cannot send that header here
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
                    self._serve()
                    return
        except h11.RemoteProtocolError as error:
            self._answer(400, {"error": str(error)})

    def stream_ended(self, end: StreamEnd) -> None:
        """The asker is gone."""
        self._timer.cancel()
        self._stream.close()

    def _serve(self) -> None:
        assert self._request is not None
        method, target = self._request.method, self._request.target
        if self._from_a_page():
            self._answer(403, {"error": "not from web pages, and by a loopback address only"})
        elif not self._allowed():
            self._answer(401, {"error": "send Authorization: Bearer TOKEN"})
        elif target != b"/faults":
            self._answer(404, {"error": "only /faults is here"})
        elif method == b"GET":
            self._answer(200, self._state())
        elif method in (b"POST", b"PUT"):
            self._post()
        else:
            self._answer(405, {"error": "GET or POST"})

    def _from_a_page(self) -> bool:
        assert self._request is not None
        headers = dict(self._request.headers)
        host = headers.get(b"host", b"").decode("latin-1").rpartition(":")[0]
        return b"origin" in headers or host not in _LOOPBACK

    def _allowed(self) -> bool:
        assert self._request is not None
        sent = [value for name, value in self._request.headers if name == b"authorization"]
        wanted = b"Bearer " + self._token.encode()
        return len(sent) == 1 and hmac.compare_digest(sent[0], wanted)

    def _post(self) -> None:
        """`{"faults": ["latency/200?jitter=20", "idle/2?drop=rst"]}`; an empty list: none."""
        try:
            value = json.loads(self._body)
            specs = value["faults"] if isinstance(value, dict) else None
            if not isinstance(specs, list) or not all(isinstance(each, str) for each in specs):
                raise ValueError('write {"faults": ["latency/200", …]}')
            self._change(build_faults(specs))
        except (ValueError, KeyError, RecursionError) as error:
            self._answer(400, {"error": str(error) or "not JSON"})
            return
        self._answer(200, self._state())

    def _state(self) -> dict[str, Any]:
        return {"faults": [spec_of(fault) for fault in self._faults()]}

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        self._done = True
        self._stream.write(refusal(status, _JSON, json.dumps(value).encode() + b"\n"), stamp=False)
        self._stream.half_close()


def spec_of(fault: Fault) -> str:
    """A fault as `POST /faults` takes it, parameters at their defaults left out."""
    params = params_of(type(fault))
    query = "&".join(
        f"{param.name}={getattr(fault, param.attribute)}"
        for param in params
        if getattr(fault, param.attribute) != param.default
    )
    return fault.name + (f"?{query}" if query else "")
