"""The page that a browser gets at `/`: one file, filled with the declared paths."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from wsdiag.server.faults import FAULTS
from wsdiag.server.params import params_of
from wsdiag.server.routes import example

HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
        "connect-src 'self' ws: wss:; img-src data:; base-uri 'none'; form-action 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
]


@cache
def render() -> bytes:
    """The page's bytes."""
    text = (files("wsdiag.server") / "page.html").read_text(encoding="utf-8")
    routes = json.dumps(catalogue()).replace("<", "\\u003c")
    return text.replace("/*ROUTES*/[]", routes).encode()


def catalogue() -> list[dict[str, Any]]:
    """Every path with its help and parameters, as JSON values."""
    return [
        {
            "name": fault.name,
            "group": fault.group,
            "summary": fault.summary,
            "example": example(fault),
            "params": [
                {
                    "name": param.name,
                    "metavar": param.kind.metavar,
                    "default": param.show(),
                    "help": param.help,
                    "choices": list(param.kind.choices),
                }
                for param in params_of(fault)
            ],
        }
        for fault in FAULTS
    ]
