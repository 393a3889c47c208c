"""The life of one idle trial as a table: its phases, what happens in them, what is done then.

                OPENED             CHECK_DUE             ACKNOWLEDGED
    DIALING ------------> WAITING -----------> CHECKING --------------> RETRYING
       |                  |  ^  |              |  |  |                  |  |  |
       |     ACKNOWLEDGED |  |  |   UNANSWERED |  |  |       UNANSWERED |  |  |
       |                  v  |  |              v  |  |                  |  |  |
       |                  |  |  |     WAITING_FOR_LATE_PONG <-----------+  |  |
       |      RETRYING_KEEPALIVE|              |  |  |                     |  |
       |         |  |   ANSWERED|              |  |  |                     |  |
       | REFUSED |  +-CHECK_DUE-|-> CHECKING   |  |  | ANSWERED, SILENT, CUT_SHORT,
       | STOPPED | SILENT       | STOPPED      |  |  | NO_PONG_EXPECTED    |  |
       v         v              v              v  v  v                     v  v
    DONE ------------------------------------------------------------------------

    In every phase from WAITING on, ENDED and VIOLATED lead to DONE.
    KEEPALIVE_DUE leaves WAITING and RETRYING_KEEPALIVE as they are.

An idle trial waits out its idle period and then checks, once, whether the connection still lives.
A keepalive trial is checked all the time by what it sends: where Pings are answered, one that is
not is as good as an unanswered check. It gets a check of its own only at the round's end.

Silence is never believed at once where TCP has acknowledged the Ping: then the path works, and an
endpoint that was busy, or lost one Pong, answers one of several (RETRYING). A connection found
silent is watched a little longer for its Pong: a NAT that forgot the flow and picks it up again
answers late, and that is a symptom of its own. The outcome stays `silent`, but its record says so.

What the trial knows, and so which event comes next, is `TrialState`; who acts is `Trial`.
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
    """What moves a trial on; the first that applies, when several do."""

    OPENED = "the WebSocket is open"
    REFUSED = "no connection could be opened"
    VIOLATED = "the endpoint broke the protocol"
    ENDED = "the connection ended"
    STOPPED = "no longer needed"
    CHECK_DUE = "the idle period is over, or the round wants a last sign of life"
    KEEPALIVE_DUE = "a keepalive is due"
    ANSWERED = "what was asked is answered"
    NO_PONG_EXPECTED = "no answer in time from an endpoint without Pongs; TCP reports no trouble"
    ACKNOWLEDGED = "no answer in time, but TCP acknowledged the Ping"
    UNANSWERED = "no answer in time"
    SILENT = "no answer in time, and nothing more to wait for"
    CUT_SHORT = "no answer before the end"


class Action(Enum):
    """What a trial does on its way to the next phase."""

    START = auto()
    KEEP_ALIVE = auto()
    CHECK = auto()
    RETRY = auto()
    TELL_ROUND = auto()
    NOTHING = auto()
    RECORD_REFUSED = auto()
    RECORD_ALIVE = auto()
    RECORD_DROPPED = auto()
    RECORD_SILENT = auto()
    RECORD_ABORTED = auto()


_P, _E, _A = TrialPhase, TrialEvent, Action

OPEN_PHASES = (
    _P.WAITING,
    _P.RETRYING_KEEPALIVE,
    _P.CHECKING,
    _P.RETRYING,
    _P.WAITING_FOR_LATE_PONG,
)

TRANSITIONS: dict[tuple[TrialPhase, TrialEvent], tuple[TrialPhase, Action]] = {
    (_P.DIALING, _E.OPENED): (_P.WAITING, _A.START),
    (_P.DIALING, _E.REFUSED): (_P.DONE, _A.RECORD_REFUSED),
    (_P.DIALING, _E.STOPPED): (_P.DONE, _A.RECORD_ABORTED),
    **{(phase, _E.ENDED): (_P.DONE, _A.RECORD_DROPPED) for phase in OPEN_PHASES},
    **{(phase, _E.VIOLATED): (_P.DONE, _A.RECORD_ABORTED) for phase in OPEN_PHASES},
    (_P.WAITING, _E.KEEPALIVE_DUE): (_P.WAITING, _A.KEEP_ALIVE),
    (_P.WAITING, _E.CHECK_DUE): (_P.CHECKING, _A.CHECK),
    (_P.WAITING, _E.ACKNOWLEDGED): (_P.RETRYING_KEEPALIVE, _A.RETRY),
    (_P.WAITING, _E.SILENT): (_P.DONE, _A.RECORD_SILENT),
    (_P.WAITING, _E.STOPPED): (_P.DONE, _A.RECORD_ABORTED),
    (_P.RETRYING_KEEPALIVE, _E.KEEPALIVE_DUE): (_P.RETRYING_KEEPALIVE, _A.KEEP_ALIVE),
    (_P.RETRYING_KEEPALIVE, _E.ANSWERED): (_P.WAITING, _A.NOTHING),
    (_P.RETRYING_KEEPALIVE, _E.CHECK_DUE): (_P.CHECKING, _A.CHECK),
    (_P.RETRYING_KEEPALIVE, _E.SILENT): (_P.DONE, _A.RECORD_SILENT),
    (_P.RETRYING_KEEPALIVE, _E.STOPPED): (_P.DONE, _A.RECORD_ABORTED),
    (_P.CHECKING, _E.ANSWERED): (_P.DONE, _A.RECORD_ALIVE),
    (_P.CHECKING, _E.NO_PONG_EXPECTED): (_P.DONE, _A.RECORD_ALIVE),
    (_P.CHECKING, _E.ACKNOWLEDGED): (_P.RETRYING, _A.RETRY),
    (_P.CHECKING, _E.UNANSWERED): (_P.WAITING_FOR_LATE_PONG, _A.TELL_ROUND),
    (_P.CHECKING, _E.SILENT): (_P.DONE, _A.RECORD_SILENT),
    (_P.CHECKING, _E.CUT_SHORT): (_P.DONE, _A.RECORD_ABORTED),
    (_P.RETRYING, _E.ANSWERED): (_P.DONE, _A.RECORD_ALIVE),
    (_P.RETRYING, _E.NO_PONG_EXPECTED): (_P.DONE, _A.RECORD_ALIVE),
    (_P.RETRYING, _E.UNANSWERED): (_P.WAITING_FOR_LATE_PONG, _A.TELL_ROUND),
    (_P.RETRYING, _E.SILENT): (_P.DONE, _A.RECORD_SILENT),
    (_P.RETRYING, _E.CUT_SHORT): (_P.DONE, _A.RECORD_ABORTED),
    (_P.WAITING_FOR_LATE_PONG, _E.ANSWERED): (_P.DONE, _A.RECORD_SILENT),
    (_P.WAITING_FOR_LATE_PONG, _E.NO_PONG_EXPECTED): (_P.DONE, _A.RECORD_ALIVE),
    (_P.WAITING_FOR_LATE_PONG, _E.SILENT): (_P.DONE, _A.RECORD_SILENT),
}
