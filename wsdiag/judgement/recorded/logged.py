"""What a proxy's log says of an end: it knows which of its timeouts ran out, and who ended TCP."""

from __future__ import annotations

from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.records.explain import EndedBy, RecordedOutcome

_HAPROXY: dict[str, tuple[RecordedOutcome, EndedBy]] = {
    "cD": ("idle-timeout", "middlebox"),
    "sD": ("idle-timeout", "middlebox"),
    "CD": ("client-gone", "client"),
    "CL": ("client-gone", "client"),
    "SD": ("unknown", "server"),
    "SL": ("unknown", "server"),
    "KD": ("unknown", "middlebox"),
    "DD": ("unknown", "middlebox"),
    "UD": ("unknown", "middlebox"),
    "PD": ("unknown", "middlebox"),
}
# DC and UC tell who was the first to end TCP: a server does that after a client's Close frame, too,
# and some clients do not wait for the server to do it.
_ENVOY: dict[str, tuple[RecordedOutcome, EndedBy]] = {
    "DR": ("client-gone", "client"),
    "DPE": ("protocol-error", "middlebox"),
    "UPE": ("protocol-error", "middlebox"),
    "SI": ("idle-timeout", "middlebox"),
    "DT": ("lifetime", "middlebox"),
    "UMSDR": ("lifetime", "middlebox"),
    "UR": ("unknown", "server"),
    "LR": ("unknown", "middlebox"),
    "OM": ("unknown", "middlebox"),
}


def logged(facts: ConnectionFacts) -> Ending | None:
    """A proxy's own word: it knows which of its timeouts ran out, and who ended TCP."""
    flags = facts.log_flags
    if flags is None or facts.log_words is None:
        return None
    found = _HAPROXY.get(flags)
    for flag in flags.split(","):
        found = found or _ENVOY.get(flag)
    outcome, ended_by = found or ("unknown", "unknown")
    return Ending(outcome, ended_by, (f"The log says {flags}: {facts.log_words}.",))
