"""A headless Firefox, driven through WebDriver BiDi."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.integration.waiting import wait_for

_LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")


class Firefox:
    """One tab, which takes any certificate."""

    def __init__(self, program: str, folder: Path) -> None:
        folder.mkdir()
        log = folder / "log"
        self._numbers = count(1)
        with ExitStack() as stack:
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [program, "--headless", "--remote-debugging-port=0", "--profile", str(folder)],
                    stdout=output,
                    stderr=output,
                )
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
            url = f"{self._where(log)}/session"
            opening = connect(url, proxy=None, max_size=None, open_timeout=60)
            self._socket = stack.enter_context(opening)
            wanted = {"alwaysMatch": {"acceptInsecureCerts": True}}
            self._call("session.new", capabilities=wanted)
            tree = self._call("browsingContext.getTree")
            self._tab = tree["contexts"][0]["context"]
            self._open = stack.pop_all()

    def _where(self, log: Path) -> str:
        found = wait_for(lambda: _LISTENING.search(log.read_bytes()), 120, seen=log.read_text)
        assert found is not None
        return found[1].decode()

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(120))).get("id") != number:
            pass
        assert answer["type"] == "success", answer
        return answer["result"]

    def navigate(self, url: str) -> None:
        """Open a page, until it is complete."""
        self._call("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    def awaited(self, script: str) -> Any:
        """What a promise becomes: text."""
        result = self._call(
            "script.evaluate", expression=script, target={"context": self._tab}, awaitPromise=True
        )
        assert result["type"] == "success", result
        return result["result"].get("value")

    def close(self) -> None:
        self._open.close()
