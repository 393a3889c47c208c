"""permessage-deflate (RFC 7692): the codec of one connection, bounded while it inflates."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

from wsdiag.protocol.codes import INVALID_DATA, MESSAGE_TOO_BIG, POLICY_VIOLATION, Role
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.headers import Parameters, format_extension

NAME = "permessage-deflate"
MAX_WINDOW_BITS = 15
_TAIL = b"\x00\x00\xff\xff"
_NO_LIMIT = (1 << 31) - 2
# Each final block costs a new inflater; honest peers send none or one a message (7.2.3.4).
_MAX_FINAL_BLOCKS = 64
_BITS = frozenset(str(bits) for bits in range(8, 16))
_PARAMETERS = frozenset(
    side + name
    for side in ("server_", "client_")
    for name in ("no_context_takeover", "max_window_bits")
)


class ExtensionError(ValueError):
    """Parameters of permessage-deflate that were not offered or make no sense (RFC 7692, 7)."""


class PerMessageDeflate:
    """What was negotiated, and the two zlib streams it means for `role` (ours).

    Window bits run from 8 to 15. A sender told 8 uses 9: zlib has no raw stream with 8, and its
    9-bit stream never reaches back more than 512 - 262 = 250 bytes, which a 256-byte window holds.
    """

    def __init__(
        self,
        role: Role,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = MAX_WINDOW_BITS,
        client_max_window_bits: int = MAX_WINDOW_BITS,
    ) -> None:
        self.role = role
        self.server_no_context_takeover = server_no_context_takeover
        self.client_no_context_takeover = client_no_context_takeover
        self.server_max_window_bits = server_max_window_bits
        self.client_max_window_bits = client_max_window_bits
        self.decoded_from = self.decoded_to = 0
        """Bytes of compressed payloads that were received, before and after."""
        ours = (client_no_context_takeover, client_max_window_bits)
        theirs = (server_no_context_takeover, server_max_window_bits)
        if role is Role.SERVER:
            ours, theirs = theirs, ours
        self._forget_ours, self._bits_ours = ours[0], max(ours[1], 9)
        self._forget_theirs, self._bits_theirs = theirs
        self._deflater: zlib._Compress | None = None
        self._inflater: zlib._Decompress | None = None
        self._window = b""
        self._inflated = 0
        self._final_blocks = 0

    def encode(self, data: bytes, *, fin: bool = True) -> bytes:
        """The payload of a compressed message's frame; `fin` on its last (RFC 7692, 7.2.1)."""
        if self._deflater is None:
            self._deflater = zlib.compressobj(wbits=-self._bits_ours)
        out = self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not fin:
            return out
        if self._forget_ours:
            self._deflater = None
        # A second flush with nothing new yields no bytes: then the empty block is one zero byte
        # once its tail is cut off (7.2.3.6).
        return out.removesuffix(_TAIL) or b"\x00"

    def decode(self, data: bytes, *, fin: bool = True, limit: int | None = None) -> bytes:
        """The inflated payload of a frame; `limit` in bytes is for the whole message.

        Raises ProtocolViolation: 1007 for data that is not DEFLATE, 1009 for too long a message.
        """
        out = self._inflate(data + _TAIL if fin else data, limit)
        self._inflated += len(out)
        self.decoded_from += len(data)
        self.decoded_to += len(out)
        if fin:
            self._inflated = self._final_blocks = 0
            if self._forget_theirs:
                self._inflater, self._window = None, b""
        return out

    def _inflate(self, data: bytes, limit: int | None) -> bytes:
        room = _NO_LIMIT if limit is None else limit - self._inflated
        out = b""
        while True:
            # One byte more than there is room for: zero would mean no limit to zlib.
            out += self._step(data, room + 1 - len(out))
            if len(out) > room:
                message = (
                    f"message inflates to at least {self._inflated + len(out)} bytes, "
                    f"the limit is {limit}"
                )
                raise ProtocolViolation(message, "RFC 6455, 10.4", MESSAGE_TOO_BIG)
            data = self._after_final_block()
            if not data:
                return out

    def _step(self, data: bytes, max_length: int) -> bytes:
        if self._inflater is None:
            self._inflater = zlib.decompressobj(-self._bits_theirs, zdict=self._window)
        try:
            out = self._inflater.decompress(data, max_length)
        except zlib.error:
            message = "compressed message is not valid DEFLATE"
            raise ProtocolViolation(message, "RFC 7692, 7.2.2", INVALID_DATA) from None
        size = 1 << self._bits_theirs
        self._window = out[-size:] if len(out) >= size else (self._window + out)[-size:]
        return out

    def _after_final_block(self) -> bytes:
        """What followed a block with BFINAL set, which ended zlib's stream but not the message."""
        inflater = self._inflater
        if inflater is None or not inflater.eof:
            return b""
        self._inflater = None
        self._final_blocks += 1
        if self._final_blocks > _MAX_FINAL_BLOCKS:
            message = f"more than {_MAX_FINAL_BLOCKS} final DEFLATE blocks in one message"
            raise ProtocolViolation(message, "RFC 7692, 7.2.3.4", POLICY_VIOLATION)
        return inflater.unused_data


@dataclass(frozen=True, slots=True)
class DeflateOffer:
    """A client's offer of permessage-deflate (RFC 7692, 7.1).

    Window bits 8 to 15, None: unlimited; `client_max_window_bits=None` with
    `client_window_hint` says that the server may choose ours.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int | None = None
    client_max_window_bits: int | None = None
    client_window_hint: bool = True


def offer_header(offer: DeflateOffer) -> str:
    """The value of Sec-WebSocket-Extensions that makes this offer."""
    parameters: Parameters = []
    if offer.server_no_context_takeover:
        parameters.append(("server_no_context_takeover", None))
    if offer.client_no_context_takeover:
        parameters.append(("client_no_context_takeover", None))
    if offer.server_max_window_bits is not None:
        parameters.append(("server_max_window_bits", str(offer.server_max_window_bits)))
    if offer.client_max_window_bits is not None:
        parameters.append(("client_max_window_bits", str(offer.client_max_window_bits)))
    elif offer.client_window_hint:
        parameters.append(("client_max_window_bits", None))
    return format_extension(NAME, parameters)


def accept_offer(
    offers: list[tuple[str, Parameters]], preferences: DeflateOffer | None = None
) -> tuple[str, PerMessageDeflate] | None:
    """A server's choice: the response's value and the codec for the first offer it can keep.

    `preferences` holds what the server wants for itself; offers that make no sense are declined, as
    RFC 7692, 7.1 asks. None: no permessage-deflate on this connection.
    """
    for name, parameters in offers:
        if name != NAME:
            continue
        try:
            offer = _read(parameters, bare_client_bits=True)
        except ExtensionError:
            continue
        return _agree(offer, preferences or DeflateOffer())
    return None


def _agree(offer: DeflateOffer, preferences: DeflateOffer) -> tuple[str, PerMessageDeflate]:
    """The response to a sound offer (RFC 7692, 7.1.1 and 7.1.2)."""
    server_bits = _least(offer.server_max_window_bits, preferences.server_max_window_bits)
    client_bits = offer.client_max_window_bits
    # A client that does not mention its window must not be told one (7.1.2.2).
    if client_bits is not None or offer.client_window_hint:
        client_bits = _least(client_bits, preferences.client_max_window_bits)
    agreed = DeflateOffer(
        server_no_context_takeover=offer.server_no_context_takeover
        or preferences.server_no_context_takeover,
        client_no_context_takeover=offer.client_no_context_takeover
        or preferences.client_no_context_takeover,
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
        client_window_hint=False,
    )
    return offer_header(agreed), _codec(Role.SERVER, agreed)


def parse_response(parameters: Parameters, offer: DeflateOffer) -> PerMessageDeflate:
    """The client's codec for a server's answer. Raises ExtensionError if it is not as offered."""
    answer = _read(parameters, bare_client_bits=False)
    if offer.server_no_context_takeover and not answer.server_no_context_takeover:
        raise ExtensionError("server_no_context_takeover was asked for and not granted")
    asked, granted = offer.server_max_window_bits, answer.server_max_window_bits
    if asked is not None and (granted is None or granted > asked):
        raise ExtensionError(f"server_max_window_bits {granted} exceeds the {asked} asked for")
    asked, told = offer.client_max_window_bits, answer.client_max_window_bits
    if told is not None and asked is None and not offer.client_window_hint:
        raise ExtensionError("client_max_window_bits was not offered")
    if told is not None and asked is not None and told > asked:
        raise ExtensionError(f"client_max_window_bits {told} exceeds the {asked} offered")
    ours = replace(
        answer,
        client_no_context_takeover=answer.client_no_context_takeover
        or offer.client_no_context_takeover,
        client_max_window_bits=_least(asked, told),
    )
    return _codec(Role.CLIENT, ours)


def _codec(role: Role, agreed: DeflateOffer) -> PerMessageDeflate:
    return PerMessageDeflate(
        role,
        agreed.server_no_context_takeover,
        agreed.client_no_context_takeover,
        agreed.server_max_window_bits or MAX_WINDOW_BITS,
        agreed.client_max_window_bits or MAX_WINDOW_BITS,
    )


def _least(one: int | None, other: int | None) -> int | None:
    return min((bits for bits in (one, other) if bits is not None), default=None)


def _read(parameters: Parameters, *, bare_client_bits: bool) -> DeflateOffer:
    """Parameters as an offer. Raises ExtensionError for unknown, repeated or invalid ones (7.1)."""
    seen: dict[str, str | None] = {}
    for name, value in parameters:
        if name in seen:
            raise ExtensionError(f"parameter {name} appears twice")
        if name not in _PARAMETERS:
            raise ExtensionError(f"unknown parameter {name!r}")
        seen[name] = value
    for name in ("server_no_context_takeover", "client_no_context_takeover"):
        if seen.get(name) is not None:
            raise ExtensionError(f"parameter {name} takes no value")
    hint = "client_max_window_bits" in seen and seen["client_max_window_bits"] is None
    if hint and not bare_client_bits:
        raise ExtensionError("client_max_window_bits needs a value in a response")
    return DeflateOffer(
        "server_no_context_takeover" in seen,
        "client_no_context_takeover" in seen,
        _bits(seen, "server_max_window_bits"),
        None if hint else _bits(seen, "client_max_window_bits"),
        hint,
    )


def _bits(seen: dict[str, str | None], name: str) -> int | None:
    if name not in seen:
        return None
    value = seen[name]
    if value not in _BITS:
        raise ExtensionError(f"{name}={value} is not a number from 8 to 15")
    return int(value)
