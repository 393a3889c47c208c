"""What a run's exit code says to a script; the same for every command."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes; the highest rows that apply in a run win over the rows below them."""

    INTERRUPTED = 130
    """Before anything could be measured."""
    USAGE = 2
    """The command line, or a file that it names, is wrong."""
    NO_ANSWER = 1
    """Unreachable, refused, not a WebSocket, no replies, connection lost; or wsdiag failed."""
    LIMIT_BROKEN = 3
    """Measured, but a limit or check that was asked for does not hold."""
    OK = 0
    """Measured, and every limit that was asked for holds."""
