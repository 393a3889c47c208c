"""The known dialects as a page: `wsdiag help dialects`, and the table of docs/dialects.md."""

from __future__ import annotations

from wsdiag.dialects.catalogue import Dialect, dialects

_HEAD = """\
Application protocols over WebSocket, by the names that --dialect takes.

--dialect auto (the default) recognises one by its subprotocol, its URL or its first message, and
answers its heartbeats. With a name, its hello and the client's own heartbeats are sent as well;
--hello gives another hello, where a token is needed. With none, messages are left alone.

"""


def listing() -> str:
    """Every dialect in a paragraph: how it is recognised, and what is said in it."""
    return _HEAD + "\n".join(_paragraph(each) for each in dialects())


def markdown() -> str:
    """The same as a table."""
    lines = ["| name | protocol | recognised by | hello | heartbeats | without them | evidence |"]
    lines.append("|---|---|---|---|---|---|---|")
    for each in dialects():
        without = "; ".join(part for part in (each.no_hello, each.no_pong) if part)
        cells = (
            f"`{each.name}`",
            each.title,
            recognised_by(each),
            _hello(each),
            heartbeats(each),
            without,
            each.evidence,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _paragraph(dialect: Dialect) -> str:
    rows = (
        ("recognised by", recognised_by(dialect)),
        ("hello", _hello(dialect)),
        ("heartbeats", heartbeats(dialect)),
        ("without a hello", dialect.no_hello),
        ("without answers", dialect.no_pong),
        ("evidence", dialect.evidence),
    )
    body = "".join(f"    {name}: {text}\n" for name, text in rows if text)
    return f"{dialect.name}  {dialect.title}\n{body}"


def recognised_by(dialect: Dialect) -> str:
    """Its signs, in words."""
    signs = [f"subprotocol {name}" for name in dialect.subprotocols]
    if dialect.query:
        signs.append("query " + "&".join(dialect.query))
    if dialect.first is not None:
        signs.append("first message")
    return ", ".join(signs) or "--dialect only"


def heartbeats(dialect: Dialect) -> str:
    """Who sends heartbeats, and whether they are answered."""
    parts = []
    if dialect.ping is not None:
        answered = "answered" if dialect.pong is not None else "no answer wanted"
        parts.append(f"the endpoint's ({answered})")
    if dialect.beat is not None:
        parts.append("the client's")
    return ", ".join(parts) or "none"


def _hello(dialect: Dialect) -> str:
    if not dialect.hello:
        return "none"
    shown = ", ".join(dialect.hello)
    return shown.replace("\n", "\\n").replace("\0", "\\0")


def with_table(document: str) -> str:
    """A document with its table of dialects, the one that begins with `| name`, written anew."""
    before, _, rest = document.partition("| name | protocol |")
    after = rest.partition("\n\n")[2]
    return f"{before}{markdown()}\n{after}"


if __name__ == "__main__":
    from pathlib import Path

    page = Path("docs/dialects.md")
    page.write_text(with_table(page.read_text("utf-8")), "utf-8")
