"""The life of one idle trial as a table: its phases, and what leads from one to the next.

              OPENED              CHECK_DUE            ACKNOWLEDGED
    DIALING -----------> WAITING ----------> CHECKING --------------> RETRYING
       |                 |  ^  |             ^  |  |                   |   |
       |    ACKNOWLEDGED |  |  |   CHECK_DUE |  |  | UNANSWERED        |   |
       |                 v  |  |             |  |  v        UNANSWERED v   |
       |   RETRYING_KEEPALIVE--|-------------+  |  WAITING_FOR_LATE_PONG   |
       |                 |     |                |            |             |
       |          SILENT |     | SILENT         |            | LATE_PONG   | ANSWERED
       | REFUSED STOPPED |     | STOPPED        | as from    | NO_PONG_    | NO_PONG_EXPECTED
       | STOPPED         |     |                | RETRYING   | EXPECTED    | SILENT
       |                 |     |                |            | SILENT      | CUT_SHORT
       v                 v     v                v            v             v
    ---------------------------------- DONE ----------------------------------

    WAITING goes to DONE by NOT_ASKED, too, where a check by Ping would be what ends the connection.
    RETRYING_KEEPALIVE goes back to WAITING by KEEPALIVE_ANSWERED. Every phase between DIALING and
    DONE goes to DONE by ENDED and VIOLATED. KEEPALIVE_DUE leaves the phase as it is.

An idle trial waits out its idle period and then checks, once, whether the connection still lives.
A keepalive trial is checked all the time by what it sends: where Pings are answered, one that is
not is as good as an unanswered check. It gets a check of its own only at the round's end.

Silence is never believed at once where TCP has acknowledged the Ping: then the path works, and an
endpoint that was busy, or lost one Pong, answers one of several. A connection found silent is
watched a little longer for its Pong: a NAT that forgot the flow and picks it up again answers
late, and that is a symptom of its own. The outcome stays `silent`, but its record says so.

What a trial knows, and so which event comes next, is `TrialState`; what is done then, `Trial`.
"""

from __future__ import annotations

from enum import Enum, auto


class TrialPhase(Enum):
    """Where a trial is."""

    DIALING = auto()
    WAITING = auto()
    """Open: the idle period runs, or keepalives are sent."""
    RETRYING_KEEPALIVE = auto()
    """A keepalive Ping went unanswered, and several were sent at once."""
    CHECKING = auto()
    """A liveness check was sent."""
    RETRYING = auto()
    """The check went unanswered, and several Pings were sent at once."""
    WAITING_FOR_LATE_PONG = auto()
    DONE = auto()
    """The record is made."""


class TrialEvent(Enum):
    """What moves a trial on; the value says why, in the record of a trial that was aborted."""

    OPENED = "the WebSocket is open"
    REFUSED = "no connection could be opened"
    VIOLATED = "the endpoint broke the protocol"
    ENDED = "the connection ended"
    STOPPED = "no longer needed"
    NOT_ASKED = "open; not pinged, as this endpoint ends connections that are"
    CHECK_DUE = "the idle period is over, or the round wants a last sign of life"
    KEEPALIVE_DUE = "a keepalive is due"
    KEEPALIVE_ANSWERED = "the retry of a keepalive was answered"
    ANSWERED = "the check was answered"
    NO_PONG_EXPECTED = "no answer in time from an endpoint without Pongs; TCP reports no trouble"
    ACKNOWLEDGED = "no answer in time, but TCP acknowledged the Ping"
    UNANSWERED = "no answer in time"
    LATE_PONG = "an answer when the connection had been found silent"
    SILENT = "no answer in time, and nothing more to wait for"
    CUT_SHORT = "no answer before the end"


_P, _E = TrialPhase, TrialEvent

OPEN_PHASES = frozenset(TrialPhase) - {_P.DIALING, _P.DONE}

TRANSITIONS: dict[tuple[TrialPhase, TrialEvent], TrialPhase] = {
    (_P.DIALING, _E.OPENED): _P.WAITING,
    (_P.DIALING, _E.REFUSED): _P.DONE,
    (_P.DIALING, _E.STOPPED): _P.DONE,
    **{(phase, _E.ENDED): _P.DONE for phase in OPEN_PHASES},
    **{(phase, _E.VIOLATED): _P.DONE for phase in OPEN_PHASES},
    (_P.WAITING, _E.KEEPALIVE_DUE): _P.WAITING,
    (_P.WAITING, _E.CHECK_DUE): _P.CHECKING,
    (_P.WAITING, _E.ACKNOWLEDGED): _P.RETRYING_KEEPALIVE,
    (_P.WAITING, _E.SILENT): _P.DONE,
    (_P.WAITING, _E.STOPPED): _P.DONE,
    (_P.WAITING, _E.NOT_ASKED): _P.DONE,
    (_P.RETRYING_KEEPALIVE, _E.KEEPALIVE_DUE): _P.RETRYING_KEEPALIVE,
    (_P.RETRYING_KEEPALIVE, _E.KEEPALIVE_ANSWERED): _P.WAITING,
    (_P.RETRYING_KEEPALIVE, _E.CHECK_DUE): _P.CHECKING,
    (_P.RETRYING_KEEPALIVE, _E.SILENT): _P.DONE,
    (_P.RETRYING_KEEPALIVE, _E.STOPPED): _P.DONE,
    (_P.CHECKING, _E.ANSWERED): _P.DONE,
    (_P.CHECKING, _E.NO_PONG_EXPECTED): _P.DONE,
    (_P.CHECKING, _E.ACKNOWLEDGED): _P.RETRYING,
    (_P.CHECKING, _E.UNANSWERED): _P.WAITING_FOR_LATE_PONG,
    (_P.CHECKING, _E.SILENT): _P.DONE,
    (_P.CHECKING, _E.CUT_SHORT): _P.DONE,
    (_P.RETRYING, _E.ANSWERED): _P.DONE,
    (_P.RETRYING, _E.NO_PONG_EXPECTED): _P.DONE,
    (_P.RETRYING, _E.UNANSWERED): _P.WAITING_FOR_LATE_PONG,
    (_P.RETRYING, _E.SILENT): _P.DONE,
    (_P.RETRYING, _E.CUT_SHORT): _P.DONE,
    (_P.WAITING_FOR_LATE_PONG, _E.LATE_PONG): _P.DONE,
    (_P.WAITING_FOR_LATE_PONG, _E.NO_PONG_EXPECTED): _P.DONE,
    (_P.WAITING_FOR_LATE_PONG, _E.SILENT): _P.DONE,
}
