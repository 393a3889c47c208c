"""What a source held beside the connections that it is read for."""

from __future__ import annotations

from dataclasses import dataclass, field

from wsdiag.capture.packet_files import CaptureError


@dataclass(slots=True)
class CaptureTotals:
    """What a recording of any kind held beside WebSocket connections."""

    packets: int = 0
    flows: int = 0
    plain_http: int = 0
    """Flows of HTTP that never upgraded."""
    refused: int = 0
    """Requests for the upgrade that were answered, but not with 101."""
    other: int = 0
    tunnelled: int = 0
    """Segments that were found in IP tunnels."""
    unreadable: int = 0
    """Lines or entries of a text format that are not what they should be."""
    notes: list[str] = field(default_factory=list)
    """What was passed over, and why."""
    broken: CaptureError | None = None
    """Where the file could not be read any further."""
