"""What a run's exit code says to a script; the same for every command."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the `wsdiag` command."""

    OK = 0
    """Measured, and every limit that was asked for holds."""
    NO_ANSWER = 1
    """Unreachable, refused, not a WebSocket, no replies, connection lost; or wsdiag failed."""
    USAGE = 2
    """The command line, or a file that it names, is wrong."""
    LIMIT_BROKEN = 3
    """Measured, but a limit or check that was asked for does not hold."""
    INTERRUPTED = 130
    """Ended by the user before anything could be measured."""
