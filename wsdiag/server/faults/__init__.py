"""All faults, in the order in which they are listed: one class each, grouped by what they do."""

from wsdiag.server.fault import Fault
from wsdiag.server.faults.bad_frames import BadDeflate, BadFrame, BadUtf8
from wsdiag.server.faults.delays import Bandwidth, Latency, SlowReader, Stall, Trickle
from wsdiag.server.faults.drops import CloseNow, Cut, CutAfter, Hang, Idle, Lifetime
from wsdiag.server.faults.handshakes import (
    Auth,
    BadAccept,
    BadConnection,
    BadExtension,
    BadHttp,
    BadSubprotocol,
    BadUpgrade,
    Deflate,
    Redirect,
    Status,
    Subprotocol,
)
from wsdiag.server.faults.keepalive import LatePong, LosePongs, NoPong, ServerPing, WrongPong
from wsdiag.server.faults.limits import RateLimit
from wsdiag.server.faults.sends import (
    Echo,
    Flood,
    Fragment,
    Headers,
    Push,
    PushOnRequest,
    Sink,
    Stats,
)

FAULTS: tuple[type[Fault], ...] = (
    Echo,
    Sink,
    Headers,
    Stats,
    Idle,
    Lifetime,
    CloseNow,
    Cut,
    CutAfter,
    Hang,
    RateLimit,
    Latency,
    Stall,
    Bandwidth,
    Trickle,
    SlowReader,
    ServerPing,
    NoPong,
    LosePongs,
    LatePong,
    WrongPong,
    Push,
    PushOnRequest,
    Flood,
    Fragment,
    Status,
    Redirect,
    Auth,
    Subprotocol,
    Deflate,
    BadAccept,
    BadUpgrade,
    BadConnection,
    BadSubprotocol,
    BadExtension,
    BadHttp,
    BadFrame,
    BadUtf8,
    BadDeflate,
)
