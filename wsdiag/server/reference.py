"""`--list` and docs/serve.md, from the declarations."""

from __future__ import annotations

from importlib.resources import files
from itertools import groupby

from wsdiag.server.fault import Fault
from wsdiag.server.fault_options import first_metavar
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
            words = param.kind.metavar.split("|")
            takes = "|".join(words if len(words) < 8 else [*words[:6], "…"])
            lines.append(f"{'':<{_WIDTH}}   {param.name}={takes}{default}")
    return lines


def document() -> str:
    """docs/serve.md as a whole: `reference.md`, then a section for each path."""
    parts = [(files("wsdiag.server") / "reference.md").read_text(encoding="utf-8")]
    for group, faults in groupby(FAULTS, key=lambda fault: fault.group):
        parts.append(f"## {group[:1].upper()}{group[1:]}\n")
        parts += [_section(fault) for fault in faults]
    return "\n".join(parts)


def _section(fault: type[Fault]) -> str:
    params = params_of(fault)
    lines = [f"### `{example(fault)}`\n", f"{fault.summary[:1].upper()}{fault.summary[1:]}."]
    if fault.option is not None:
        value = f" [{first_metavar(fault)}]" if params else ""
        lines.append(f"On every path: `--{fault.option}{value}`.")
    lines.append("")
    if params:
        lines += ["| parameter | takes | default | |", "|---|---|---|---|"]
        for param in params:
            takes = ", ".join(f"`{word}`" for word in param.kind.choices) or param.kind.expected
            default = f"`{param.show()}`" if param.show() else "-"
            lines.append(f"| `{param.name}` | {takes} | {default} | {param.help} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(document(), end="")
