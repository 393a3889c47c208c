"""`--list` and docs/serve.md, from the declarations."""

from __future__ import annotations

from itertools import groupby

from wsdiag.server.common import first_metavar, option_name
from wsdiag.server.fault import Fault
from wsdiag.server.faults import FAULTS
from wsdiag.server.params import params_of
from wsdiag.server.routes import example

_WIDTH = 20


def listing() -> list[str]:
    """Every path with one line of help, and its parameters under it."""
    lines: list[str] = []
    for fault in FAULTS:
        lines.append(f"{example(fault):<{_WIDTH}} {fault.summary}")
        for param in params_of(fault):
            default = f" (default {param.show()})" if param.show() else ""
            lines.append(f"{'':<{_WIDTH}}   {param.name}={_choices(param.kind.metavar)}{default}")
    return lines


def _choices(metavar: str) -> str:
    """A list of forty rules is too long for a line."""
    words = metavar.split("|")
    return metavar if len(words) < 8 else "|".join(words[:6]) + "|…"


def document() -> str:
    """docs/serve.md as a whole."""
    parts = [_HEAD]
    for group, faults in groupby(FAULTS, key=lambda fault: fault.group):
        parts.append(f"## {group[:1].upper()}{group[1:]}\n")
        parts += [_section(fault) for fault in faults]
    return "\n".join(parts)


def _section(fault: type[Fault]) -> str:
    option = option_name(fault)
    params = params_of(fault)
    lines = [f"### `{example(fault)}`\n", f"{fault.summary[:1].upper()}{fault.summary[1:]}."]
    if option is not None:
        value = f" [{first_metavar(fault)}]" if params else ""
        lines.append(f"On every path: `--{option}{value}`.")
    lines.append("")
    if params:
        lines += ["| parameter | takes | default | |", "|---|---|---|---|"]
        for param in params:
            takes = ", ".join(f"`{word}`" for word in param.kind.choices) or param.kind.wanted
            default = f"`{param.show()}`" if param.show() else "-"
            lines.append(f"| `{param.name}` | {takes} | {default} | {param.help} |")
        lines.append("")
    return "\n".join(lines)


_HEAD = """\
# `wsdiag serve`: every path

Made by `python -m wsdiag.server.reference > docs/serve.md` from the faults' declarations.

```
wsdiag serve                                  # ws://127.0.0.1:8765/echo
wsdiag serve --port 0 -o json                 # a free port; the first line says which
wsdiag serve --idle-timeout 60 --drop silent  # a fault on every path
wsdiag serve --upstream ws://localhost:3000 --latency 200   # between your client and your server
```

A fault's first parameter may stand in the path behind its name, all others stand in the query:
`/idle/60?drop=rst` is `/idle?timeout=60&drop=rst`. Faults combine by writing one behind the
other: `/latency/50/idle/60`; a parameter that several of them have goes to each. An unknown path
is answered with 404, a bad parameter with 400 and the list of those that are allowed.

Every fault is also an option that holds for every path, its first parameter as the value:
`--stall 5`, `--stall '5?for=1'` with others behind it, `--stall` with the defaults. `--fault PATH`
says the same as a path. A path's own fault goes before the option of the same fault.

Silent means silent: no FIN, no RST, no answer, and the connection is kept until the server ends,
also when the client gives up. Then it goes without a word where Linux allows that (CAP_NET_ADMIN,
as root has), otherwise with a RST; and whatever the client writes later is answered by RST, as no
connection is left. `drop=silent` needs Linux. Elsewhere it is `drop=hang`, the kernel still
acknowledges, and the server's `drop` event says so.

## Relay

`--upstream ws[s]://…` stands between your client and your server, with any fault in between. The
client's path and query go on to the upstream, unless that has a path of its own; so do its headers
(Authorization, Cookie, Origin), subprotocols, messages, Pings and Pongs, close codes and ends. The
upstream's refusal is the client's answer; an upstream that cannot be reached is a 502 with the
reason. Messages are passed on whole (`--max-message-size`): fragments are joined, and compression
is agreed with each side on its own. `--cacert` or `-k` for an upstream with a private CA.

`--raw --upstream tcp://HOST:PORT` passes bytes as they are, TLS and broken frames included, with
the faults that need no frames.

`--control-port 0` lets faults change while it runs, for open connections too. It listens on
loopback only and wants a token, which `serve` prints (event `control`) or takes from
`WSDIAG_CONTROL_TOKEN`; requests from web pages are refused:

```
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:PORT/faults
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:PORT/faults \\
  -d '{"faults": ["latency/200?jitter=20", "idle/30?drop=silent"]}'
```

## In tests

`wsdiag serve --port 0 -o json` prints `{"type": "serve.listening", "url": …}` first, so a script
can wait for it. In pytest the fixture `wsdiag_server` comes with the package:

```python
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect


def test_my_client_sees_the_drop(wsdiag_server):
    with connect(wsdiag_server.url + "/idle/0.5?drop=fin") as client:
        try:
            client.recv(timeout=10)
            raise AssertionError("nobody was to send anything")
        except ConnectionClosedError as ended:
            assert ended.rcvd is None  # no Close frame
    assert wsdiag_server.wait("drop")["fault"] == "idle"
```

Five thousand idle connections take about 8 KiB each, and timers fire within a few milliseconds
at a thousand (`tests/bench/bench_serve_idle.py`, `bench_serve_timers.py`).
"""


if __name__ == "__main__":
    print(document(), end="")
