"""Credentials reach no output of the exporter, of `explain`, and of any command over HTTP/2."""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.capture.builder import ANSWER, REQUEST, Capture, Flow
from tests.integration.exporter.exporting import OPENMETRICS, Exporting, write
from tests.integration.real.test_masked_names import ALONE, COMMANDS, GIVEN, JWT, seen
from tests.peers.peers import Peers

CONFIG = """
[exporter]
interval = "50ms"
idle-probe = "1s"
allow = ["ws://127.0.0.1:*/*"]
[module.strict]
header = ["X-Api-Key: marker-modu"]
bearer-env = "MARKER_MODULE"
send = '{{"token": "marker-send"}}'
expect = "never"
[defaults]
timeout = "1s"
[[endpoint]]
name = "opens ${{MARKER_TOKEN}}"
url = "ws://ann:marker-pass@{opens}/?access_token=marker-par1&x=${{MARKER_TOKEN}}&j={jwt}"
header = ["X-Api-Key: marker-head", "X-Own: ${{MARKER_TOKEN}}", "Cookie: id=marker-cook"]
subprotocol = ["chat", "bearer.marker-sub1"]
bearer-env = "MARKER_BEARER"
hello = '{{"login": "marker-hello"}}'
seq = "$.seq"
[[endpoint]]
name = "refused"
url = "ws://{refuses}/?sig=marker-sig1&mine=marker-mine"
user = "ben:marker-user"
header = ["X-Session: marker-sess"]
"""
ENVIRONMENT = {
    "MARKER_TOKEN": "marker-env1",
    "MARKER_BEARER": "marker-bear",
    "MARKER_MODULE": "marker-envm",
}
HIDDEN = ("marker-", JWT, "YW5uOm1hcmtlci1wYXNz", "YmVuOm1hcmtlci11c2Vy")


def asked_for(exporting: Exporting, port: int) -> str:
    """All pages of an exporter that has something to tell."""
    target = quote(f"ws://127.0.0.1:{port}/?token=marker-prob&x={JWT}", safe="")
    userinfo = quote(f"ws://eve:marker-evep@127.0.0.1:{port}/", safe="")
    paths = ["/", "/metrics", f"/probe?target={target}&module=strict", f"/probe?target={userinfo}"]
    paths += [f"/probe?target={quote('ws://x/?token=marker-othr', safe='')}"]
    text = ""
    for path in paths:
        for accept in ("*/*", OPENMETRICS):
            answer = exporting.get(path, {"Accept": accept, "Authorization": "Bearer marker-scra"})
            text += f"{answer.headers}\\n{answer.text}"
    return text


@pytest.mark.parametrize("output", ["json", "text"])
def test_the_exporter(output: str, peers: Peers, tmp_path: Path) -> None:
    opens = peers.aiohttp()
    said = "ann:marker-pass marker-head marker-par1 marker-sess marker-user marker-sig1"
    refuses = peers.http(403, [("X-Echo", said), ("Set-Cookie", "a=marker-setc")], said)
    places = {"opens": opens.url[5:].rstrip("/"), "refuses": refuses.url[5:].rstrip("/")}
    config = write(tmp_path / "t.toml", CONFIG.format(**places, jwt=JWT))
    textfile = tmp_path / "metrics.prom"
    line = ["exporter", "-f", str(config), "--listen", "127.0.0.1:0", "-o", output]
    line += ["--textfile", str(textfile), "--mask", "mine"]
    running = peers.start_wsdiag(*line, env=ENVIRONMENT)
    first = running.read_line()
    url = json.loads(first)["url"] if output == "json" else first.split()[2].rstrip(",")
    exporting = Exporting(running, url.removesuffix("/metrics"), None)
    up = exporting.until(lambda m: m.total("wsdiag_ping_rtt_seconds_count") > 2)
    exporting.until(lambda m: m.total("wsdiag_connect_failures_total") > 0)
    exporting.until(lambda m: m.all("wsdiag_idle_probe_timestamp_seconds"), 60)
    text = up.text + asked_for(exporting, int(opens.url.rsplit(":", 1)[1].rstrip("/")))
    made = http.client.HTTPConnection(exporting.url.removeprefix("http://"), timeout=20)
    made.request("GET", "/nothing?token=marker-path", headers={"Cookie": "a=marker-scrc"})
    text += made.getresponse().read().decode()
    opens.stop()
    exporting.until(lambda m: m.total("wsdiag_drops_total") > 0)
    config.write_text(config.read_text().replace("[exporter]", "[exporter]\nbad = 'marker-conf'"))
    running.signal(signal.SIGHUP)
    exporting.until(lambda m: not m.one("wsdiag_exporter_config_last_reload_successful"))
    running.signal(signal.SIGTERM)
    run = running.wait()
    assert run.code == 0, run
    text += first + run.out + run.err + textfile.read_text()
    assert "refused" in text
    assert [word for word in HIDDEN if word in text] == [], text


@pytest.mark.parametrize(
    "command", [name for name, flags in COMMANDS.items() if "--http2" in flags]
)
@pytest.mark.parametrize("path", ["/echo", "/status/403"])
def test_over_http2(command: str, path: str, peers: Peers, tmp_path: Path) -> None:
    together = [given for how, given in GIVEN.items() if how not in ALONE]
    options = tuple(word for given, _, _ in together for word in given)
    after = "?" + "&".join(after.removeprefix("?") for _, after, _ in together if after)
    hidden = [word for _, _, words in together for word in words]
    url, _ = peers.serve("--http2")
    text = seen(peers, tmp_path, f"{url}{path}{after}", command, (*options, "--http2"))
    assert [word for word in hidden if word in text] == []


SECRET_REQUEST = REQUEST.replace(
    b"Host: feed.test\r\n",
    b"Host: feed.test\r\nAuthorization: Bearer marker-auth\r\nCookie: id=marker-cook\r\n"
    b"X-Api-Key: marker-head\r\nSec-WebSocket-Protocol: chat, bearer.marker-sub1\r\n",
).replace(b"?token=secret", b"?token=marker-par1&x=" + JWT.encode())
SECRET_ANSWER = ANSWER.replace(
    b"Upgrade: websocket\r\n",
    b"Upgrade: websocket\r\nSet-Cookie: id=marker-setc\r\n"
    b"Sec-WebSocket-Protocol: bearer.marker-sub1\r\n",
)


def captured() -> bytes:
    capture = Capture()
    for number in range(3):
        flow = Flow(capture, 40000 + number)
        flow.open(number, SECRET_REQUEST, SECRET_ANSWER)
        flow.text(number + 0.1, "client", '{"op":"login","token":"marker-send"}')
        flow.text(number + 0.2, "server", f'{{"session":"a","jwt":"{JWT}"}}')
        flow.close(60 + number, "server", 4001, f"no such token: {JWT}")
    refused = Flow(capture, 50000)
    refused.shake(1)
    refused.send(1.1, "client", SECRET_REQUEST)
    refused.send(1.2, "server", b"HTTP/1.1 403 No\r\nX-Api-Key: marker-head\r\n\r\n")
    return capture.pcap()


def har() -> bytes:
    headers = [
        {"name": "Authorization", "value": "Bearer marker-auth"},
        {"name": "Cookie", "value": "id=marker-cook"},
        {"name": "X-Api-Key", "value": "marker-head"},
    ]
    entry = {
        "startedDateTime": "2026-11-28T03:00:07Z",
        "request": {
            "url": f"wss://ann:marker-pass@feed.test/a?access_token=marker-par1&x={JWT}",
            "headers": headers,
        },
        "response": {"status": 101, "headers": [{"name": "Set-Cookie", "value": "i=marker-setc"}]},
        "_webSocketMessages": [
            {"type": "send", "time": 1.7e9, "opcode": 1, "data": '{"token":"marker-send"}'},
            {"type": "error", "time": 1.7e9, "opcode": 1, "data": "token: ?token=marker-erro"},
        ],
    }
    return json.dumps({"log": {"entries": [entry] * 3}}).encode()


def log() -> bytes:
    line = (
        '192.0.2.7 - - [28/Nov/2026:03:00:07 +0000] "GET /a?token=marker-par1&x=%s HTTP/1.1" '
        '101 5 "https://ann:marker-pass@app.test/?code=marker-code" "agent" 60.0%d\n'
    )
    return "".join(line % (JWT, number) for number in range(3)).encode()


@pytest.mark.parametrize("recording", [captured, har, log])
@pytest.mark.parametrize("output", ["text", "json", "csv"])
def test_explain(recording: object, output: str, peers: Peers, tmp_path: Path) -> None:
    assert callable(recording)
    place = tmp_path / "recording"
    place.write_bytes(recording())
    kept = {suffix: tmp_path / f"k{suffix}" for suffix in (".svg", ".html", ".md", ".txt")}
    saved = [word for file in kept.values() for word in ("--save", str(file))]
    records, trace = tmp_path / "r.ndjson", tmp_path / "t.ndjson"
    args = ["explain", str(place), "-v", "--show", "-o", output, *saved]
    run = peers.wsdiag(*args, "--log", str(records), "--trace", str(trace))
    assert run.code == 0, run
    text = run.out + run.err
    text += "".join(file.read_text() for file in (*kept.values(), records, trace) if file.exists())
    again = peers.wsdiag("explain", str(records), "--show")
    text += again.out + again.err
    assert "feed.test" in text or recording is log
    assert [word for word in ("marker-", JWT) if word in text] == [], text
