"""Names of addresses, asked of the system's resolver."""

from __future__ import annotations

import asyncio
import socket

_WAIT_S = 3.0


async def name_of(address: str) -> str | None:
    """The name of an address; None: it has none, or no answer came in time."""
    asking = asyncio.get_running_loop().run_in_executor(None, socket.gethostbyaddr, address)
    try:
        async with asyncio.timeout(_WAIT_S):
            return (await asking)[0]
    except (OSError, TimeoutError):
        return None
