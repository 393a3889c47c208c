"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

from tests.integration.waiting import wait_for

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


class Browser:
    """One tab. `requests` holds every URL that the page asked for."""

    def __init__(self, program: str, folder: Path, *flags: str) -> None:
        self._numbers = count(1)
        self.requests: list[str] = []
        self._session: str | None = None
        with ExitStack() as stack:
            process = subprocess.Popen(
                [program, *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
            port, path = self._where(folder / "DevToolsActivePort")
            url = f"ws://127.0.0.1:{port}{path}"
            self._socket = stack.enter_context(connect(url, proxy=None, max_size=None))
            self._attach()
            self._open = stack.pop_all()

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Network.enable")
        self.call("Page.enable")

    def _where(self, file: Path) -> tuple[str, str]:
        def lines() -> list[str]:
            return file.read_text().split() if file.exists() else []

        wait_for(lambda: len(lines()) == 2, 60, seen=lambda: "Chromium did not start")
        port, path = lines()
        return port, path

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(60))
            if answer.get("method") == "Network.requestWillBeSent":
                self.requests.append(answer["params"]["request"]["url"])
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def run(self, script: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str, timeout: float = 20.0) -> Any:
        """Until the script's value is true."""
        page = "document.body.innerText"
        return wait_for(lambda: self.run(script), timeout, seen=lambda: (script, self.run(page)))

    def look(self, *, width: int, height: int, dark: bool) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def close(self) -> None:
        self._open.close()
