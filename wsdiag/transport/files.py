"""How many files this process may have open, which bounds its connections (getrlimit(2))."""

from __future__ import annotations


def allow_files(wanted: int) -> int | None:
    """Raise the soft limit to `wanted` as far as the hard one lets us; the limit then.

    None: there is none, or none that can be asked for (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if soft == endless:
        return None
    if soft >= wanted:
        return soft
    reachable = wanted if hard == endless else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    except (OSError, ValueError):  # macOS: the kernel's own limit is below an endless hard one
        return soft
    return reachable
