"""All faults in the order in which they are listed, one small class each (see `server.fault`).

`sends`: what the server says instead of an echo. `pushes`: what it says of its own accord. `drops`:
how connections end. `delays`: slow answers, slow readers. `keepalive`: Pings and Pongs.
`handshakes`: refusals, redirects and wrong replies. `http2`: of HTTP/2 alone. `bad_frames`: frames
that break a rule each.
"""

from wsdiag.server.fault import Fault
from wsdiag.server.faults import (
    bad_frames,
    delays,
    drops,
    handshakes,
    http2,
    keepalive,
    pushes,
    sends,
)

FAULTS: tuple[type[Fault], ...] = (
    *(sends.Echo, sends.Sink, sends.Headers, sends.Stats),
    *(drops.Idle, drops.Lifetime, drops.CloseNow, drops.Cut, drops.CutAfter, drops.HangForever),
    drops.RateLimit,
    *(delays.Latency, delays.Stall, delays.Bandwidth, delays.Trickle, delays.SlowReader),
    *(keepalive.ServerPing, keepalive.NoPong, keepalive.LosePongs, keepalive.LatePong),
    *(keepalive.WrongPong, keepalive.Mute),
    *(pushes.Push, pushes.PushOnRequest, pushes.Flood, sends.Fragment),
    *(handshakes.Status, handshakes.Redirect, handshakes.Auth, handshakes.Subprotocol),
    handshakes.Deflate,
    *(handshakes.BadAccept, handshakes.BadUpgrade, handshakes.BadConnection),
    *(handshakes.BadSubprotocol, handshakes.BadExtension, handshakes.BadHttp),
    *(bad_frames.BadFrame, bad_frames.BadUtf8, bad_frames.BadDeflate),
    *(http2.Refuse, http2.HangOverHttp2, http2.Unadvertised),
    *(http2.GoAway, http2.RstStream, http2.ZeroWindow),
)
