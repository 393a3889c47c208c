"""How many connections this process may have open at once."""

from __future__ import annotations

import sys


def raise_open_files() -> int | None:
    """Raise the soft limit of open files to the hard one; the limit, None where there is none."""
    if sys.platform == "win32":
        return None
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):  # macOS: no more than a limit of its own
        return soft
    return hard
