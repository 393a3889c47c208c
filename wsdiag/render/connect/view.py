"""The result of `connect`: the answer first, then the waterfall, then the facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.records import (
    ChainLink,
    ConnectResult,
    HelloInfo,
    HttpInfo,
    Message,
    Phases,
    TcpFacts,
    TlsInfo,
)
from wsdiag.render.base.error import hint_lines
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.connect.waterfall import Waterfall, phase_bars
from wsdiag.transport.dial.target import encode
from wsdiag.units import counted, format_ms, format_size

_BODY_LINES = 8
_NAMES_SHOWN = 4
_LINKS_SHOWN = 8
_MESSAGES_SHOWN, _MESSAGE_CHARS = 50, 500


def print_connect(terminal: Terminal, result: ConnectResult) -> None:
    """Print a connection's result for people, and save its picture where one was asked for.

    `-q`: only the answer; a failure's hint stays. `-v`: more facts; the headers are in the trace on
    stderr, each hop's, and in the picture.
    """
    clean = terminal.clean(result)
    view = connect_view(
        clean, terminal.glyphs, quiet=terminal.quiet, verbose=terminal.verbose, headers=False
    )
    terminal.print(view)
    save_connect(terminal, result)


def save_connect(terminal: Terminal, result: ConnectResult) -> None:
    """Write the picture of `--save`, where one was asked for."""
    view = connect_view(terminal.clean(result), terminal.glyphs, verbose=terminal.verbose)
    terminal.save(view, title="wsdiag connect")


def connect_view(
    result: ConnectResult,
    glyphs: Glyphs = UNICODE,
    *,
    quiet: bool = False,
    verbose: bool = False,
    headers: bool = True,
) -> Group:
    """The whole view of a cleaned result; `headers`: with `verbose`, those of both sides."""
    parts: list[RenderableType] = [*_answer(result, glyphs)]
    if quiet:
        return Group(*parts)
    failed = result.error.phase if result.error else None
    bars = phase_bars(result.phases, failed)
    if bars:
        parts += [Text(), Waterfall(bars, failed, glyphs)]
    facts = Table.grid(padding=(0, 2, 0, 0))
    facts.add_column(style="dim", min_width=10, no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(result, glyphs, verbose):
        facts.add_row("  " + name, value)
    parts += [Text(), facts]
    if verbose and headers:
        parts += [Text(), *_headers(result)]
    elif result.error and result.http and not _opened(result, result.http):
        parts += [*_refusal(result.http)]
    for note in result.notes:
        table = Table.grid(padding=(0, 1, 0, 0))
        table.add_row(Text(f"  {glyphs.warn}", style="bold yellow"), Text(note))
        parts.append(table)
    return Group(*parts)


def _answer(result: ConnectResult, glyphs: Glyphs) -> Iterator[RenderableType]:
    error = result.error
    if error is None:
        took = connected_ms(result.phases)
        said = "" if took is None else f" in {format_ms(took)} ms"
        done = (f"{glyphs.ok} connected", "bold green")
        yield Text.assemble(done, f" to {shorten(result.url)}", (said, "bold"))
        return
    stage = f"{_STAGE.get(error.phase, error.phase)} failed"
    if error.phase in ("ping", "messages"):  # it was open
        stage = _WHEN_OPEN.get(error.kind, stage)
    if error.kind == "usage":  # it was not even tried
        stage = _UNUSABLE.get(error.phase, "an option cannot be used")
    yield Text.assemble((f"{glyphs.bad} {stage}", "bold red"), f" for {shorten(error.url)}")
    for line in (Text(error.message, style="bold"), *hint_lines(error.hint)):
        yield Padding(line, (0, 0, 0, 2))


_WHEN_OPEN = {"closed": "connection lost", "protocol": "broken WebSocket protocol"}
# By an option, or by a variable of the environment: which, the message says.
_UNUSABLE = {"proxy": "the proxy cannot be used"}
_STAGE = {
    "dns": "name resolution",
    "tcp": "TCP connection",
    "proxy": "proxy",
    "tls": "TLS handshake",
    "quic": "QUIC handshake",
    "settings": "SETTINGS",
    "upgrade": "WebSocket upgrade",
    "hello": "hello",
    "ping": "first Ping",
    "messages": "messages",
    "close": "closing handshake",
    "url": "URL",
    "redirect": "redirect",
}


def _participation(result: ConnectResult) -> Iterator[tuple[str, Text | str]]:
    if result.dialect:
        yield "dialect", Text.assemble(result.dialect.title, (f"  by {result.dialect.by}", "dim"))
    if result.hello:
        yield "hello", hello_text(result.hello)


def hello_text(hello: HelloInfo) -> str:
    """What became of a hello, in a line."""
    if hello.answer is None:
        return "sent, no answer" if hello.sent else "not sent, nothing came"
    took = "" if hello.took_ms is None else f" after {format_ms(hello.took_ms)} ms"
    return f"answered{took}: {hello.answer}"


def connected_ms(phases: Phases) -> float | None:
    """Time from the name to an open WebSocket: DNS to upgrade, in ms; None when unknown."""
    parts = (
        *(phases.dns_ms, phases.tcp_ms, phases.proxy_ms, phases.tls_ms),
        *(phases.quic_ms, phases.settings_ms, phases.upgrade_ms),
    )
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _facts(
    result: ConnectResult, glyphs: Glyphs, verbose: bool
) -> Iterator[tuple[str, Text | str]]:
    """Name and value of each row; rows without a name go with the one above."""
    if result.address:
        yield "address", result.address
    if result.proxy:
        yield "proxy", result.proxy
    elif result.proxy_why and verbose:
        yield "proxy", f"none: {result.proxy_why}"
    if result.http:
        good = "green" if _opened(result, result.http) else "bold red"
        old = "" if result.http.version == "1.1" else f"HTTP/{result.http.version} "
        status = f"{old}{result.http.status} {result.http.reason}".rstrip()
        yield "http", Text(shorten(status), style=good)
    if result.ok:
        yield "subprotocol", result.subprotocol or "none"
        yield "extensions", ", ".join(result.extensions) or "none"
    yield from _participation(result)
    if result.tls:
        yield from _tls_rows(result.tls, glyphs)
        refused = result.error is not None and result.error.kind == "cert"
        yield from _trust_rows(result.tls, refused, verbose)
    if result.tcp:
        yield "tcp", _tcp(result.tcp, glyphs)
    for number, hop in enumerate(result.hops):
        yield "" if number else "via", Text.assemble(hop.product, (f"  {hop.evidence}", "dim"))
    if result.ok:
        took = result.phases.ping_ms
        no_pong = Text("no Pong", style="yellow")
        yield "first ping", no_pong if took is None else f"{format_ms(took)} ms"
    if result.close:
        yield "close", _close(result, glyphs)
    yield from _other_versions(result)
    yield from _messages(result.messages or (), glyphs)


def _messages(messages: Sequence[Message], glyphs: Glyphs) -> Iterator[tuple[str, Text | str]]:
    """One line each: when it came, its text, and its size where that is not all of it."""
    for number, message in enumerate(messages[:_MESSAGES_SHOWN]):
        shown = message.text.replace("\n", "\\n")
        cut = len(shown) > _MESSAGE_CHARS or message.bytes > len(message.text.encode())
        said = shown[:_MESSAGE_CHARS] + ("…" if cut else "")
        kind = "" if message.kind == "text" else " binary"
        size = f"  {format_size(message.bytes)}{kind}" if cut or kind else ""
        at = f"{format_ms(message.at_ms)} ms  "
        yield "" if number else "messages", Text.assemble((at, "dim"), said, (size, "dim"))
    if len(messages) > _MESSAGES_SHOWN:
        yield "", Text(f"{len(messages) - _MESSAGES_SHOWN} more (-o json has them)", style="dim")


def _other_versions(result: ConnectResult) -> Iterator[tuple[str, Text | str]]:
    """HTTP/3 where it is announced, and what a browser finds over HTTP/2."""
    if result.alt_svc:
        yield "alt-svc", shorten(result.alt_svc)
    if result.http2 and not _over_http2(result):
        yield "http/2", http2_text(result)


def _over_http2(result: ConnectResult) -> bool:
    """Whether the connection under test was itself made over HTTP/2 or 3."""
    if result.phases.settings_ms is not None:
        return True
    return result.http is not None and result.http.version in ("2", "3")


def _opened(result: ConnectResult, http: HttpInfo) -> bool:
    """Whether the answer was the one that opens; over HTTP/2 a page may come with it."""
    return http.status == (200 if _over_http2(result) else 101) and not http.body


def http2_text(result: ConnectResult) -> Text:
    """What a browser finds over HTTP/2, in a sentence."""
    look = result.http2
    assert look is not None
    if look.error is not None and (look.alpn is None or look.error.startswith("not finished")):
        return Text(f"not known: {look.error}", style="dim")
    if look.alpn != "h2":
        chosen = f"ALPN chose {look.alpn}" if look.alpn else "ALPN chose nothing"
        return Text(f"not offered ({chosen}): browsers use HTTP/1.1 here", style="dim")
    if look.enable_connect_protocol is False:
        return Text("offered, but not for WebSockets: browsers use HTTP/1.1 for them", style="dim")
    if look.enable_connect_protocol is None and look.error is None:
        return Text("offered by ALPN (more by: pip install 'wsdiag[http2]')", style="dim")
    browser = "a browser that already has an HTTP/2 connection to this host"
    uses = f"{browser} uses it for WebSockets, and that"
    if look.error is None:
        took = " (no time for a Ping)"
        if look.ping_ms is not None:
            took = f" (Ping {format_ms(look.ping_ms)} ms)"
        than = "" if result.ok else ", while HTTP/1.1 fails"
        return Text.assemble(f"{uses} ", ("works", "green"), f"{took}{than}")
    # without SETTINGS it has no HTTP/2 connection to use
    begins = "" if look.enable_connect_protocol is None else f"{uses} "
    fails, than = ("fails", ", while HTTP/1.1 works") if result.ok else ("fails as well", "")
    return Text.assemble(begins, (fails, "bold yellow"), f": {look.error}{than}")


def _tls_rows(tls: TlsInfo, glyphs: Glyphs) -> Iterator[tuple[str, Text | str]]:
    parts = [tls.version, tls.cipher, f"ALPN {tls.alpn}" if tls.alpn else "no ALPN"]
    yield "tls", f" {glyphs.dot} ".join(part for part in parts if part)
    if tls.subject or tls.sans:
        yield "certificate", _subject(tls)
    if tls.issuer:
        yield "issued by", tls.issuer
    if tls.not_after:
        yield "valid until", _validity(tls)


def _trust_rows(tls: TlsInfo, refused: bool, verbose: bool) -> Iterator[tuple[str, Text | str]]:
    """Whether it is trusted, and the chain where that is in question."""
    if not tls.verified:
        yield "", Text("not trusted" if refused else "not verified (-k)", style="yellow")
    if refused or verbose:
        for number, link in enumerate((tls.chain or ())[:_LINKS_SHOWN]):
            yield "" if number else "chain", _link(number, link)


def _link(number: int, link: ChainLink) -> Text:
    dates = f"valid {link.not_before} to {link.not_after}"
    issuer = "self-signed" if link.issuer == link.subject else f"issuer {link.issuer}"
    return Text.assemble(f"{number} {link.subject}", (f"  ({issuer}, {dates})", "dim"))


def _subject(tls: TlsInfo) -> Text:
    parts = (tls.subject or "").split(", ")
    others = [name for name in tls.sans if name != tls.subject and f"CN={name}" not in parts]
    shown = others[:_NAMES_SHOWN]
    more = len(others) - len(shown)
    names = ", ".join(shown) + (f", {more} more" if more > 0 and shown else "")
    return Text.assemble(tls.subject or "", (f"  also {names}" if names else "", "dim"))


def _validity(tls: TlsInfo) -> Text:
    days = tls.expires_in_days
    if days is None:
        return Text(tls.not_after or "")
    style = "bold red" if days < 0 else "yellow" if days < 14 else "green"
    left = f"{counted(days, 'day')} left"
    if days < 0:  # whole days until then: the first of them began when it ended
        ago = counted(-days - 1, "day") if days < -1 else "less than a day"
        left = f"expired {ago} ago"
    return Text.assemble(tls.not_after or "", "  ", (left, style))


def _tcp(tcp: TcpFacts, glyphs: Glyphs) -> Text:
    parts = [
        f"rtt {format_ms(tcp.rtt_ms)} ms" if tcp.rtt_ms is not None else "",
        f"min {format_ms(tcp.min_rtt_ms)} ms" if tcp.min_rtt_ms is not None else "",
        f"mss {tcp.mss}" if tcp.mss is not None else "",
        f"retransmits {tcp.retransmits}" if tcp.retransmits is not None else "",
    ]
    text = Text(f" {glyphs.dot} ".join(part for part in parts if part))
    if tcp.retransmits:
        text.highlight_words([f"retransmits {tcp.retransmits}"], "yellow")
    return text


def _close(result: ConnectResult, glyphs: Glyphs) -> Text:
    close = result.close
    assert close is not None
    code = "no code" if close.code is None else str(close.code)
    how = ("clean", "green") if close.clean else ("not clean", "yellow")
    text = Text.assemble(code, f" {close.reason}" if close.reason else "", f" {glyphs.dot} ", how)
    if close.tcp_ended_by:
        text.append(f" {glyphs.dot} TCP ended by the {close.tcp_ended_by}")
    return text


@dataclass(frozen=True, slots=True)
class _Marked:
    """What went over the wire, marked on each line that it is wrapped to: it may look like ours."""

    mark: str
    style: str
    text: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.text.wrap(console, max(8, options.max_width - 2), overflow="fold"):
            line.rstrip()
            yield Text.assemble((f"{self.mark} ", self.style), line)


def _headers(result: ConnectResult) -> Iterator[RenderableType]:
    if result.request:
        # RFC 6455, 3: the resource name is the path and the query; a fragment is never sent
        url = urlsplit(result.reached or result.url)
        target = encode((url.path or "/") + (f"?{url.query}" if url.query else ""))
        line = f"GET {shorten(target)} HTTP/1.1"
        if _over_http2(result) and result.http is not None:
            line = f"CONNECT {shorten(target)} HTTP/{result.http.version}"
        yield _Marked(">", "cyan", Text(line))
        yield from _header_lines(">", result.request, "cyan")
    if result.http:
        http = result.http
        status = f"HTTP/{http.version} {http.status} {http.reason}".rstrip()
        yield _Marked("<", "magenta", Text(shorten(status)))
        yield from _header_lines("<", result.http.headers, "magenta")
        yield from _body(result.http)


def _header_lines(
    mark: str, headers: Sequence[tuple[str, str]], style: str
) -> Iterator[RenderableType]:
    for name, value in headers:
        yield _Marked(mark, style, Text.assemble((name, "bold"), f": {shorten(value)}"))


def _refusal(http: HttpInfo) -> Iterator[RenderableType]:
    # the few headers that explain a refusal; -v shows all of them
    telling = (
        "location",
        "www-authenticate",
        "proxy-authenticate",
        "retry-after",
        "upgrade",
        "sec-websocket-version",
        "content-type",
    )
    shown = [pair for pair in http.headers if pair[0].lower() in telling]
    if shown or http.body:
        yield Text()
    yield from _header_lines("<", shown, "magenta")
    yield from _body(http)


def _body(http: HttpInfo) -> Iterator[RenderableType]:
    lines = http.text if http.text is not None else (http.body or "").splitlines()
    for line in lines[:_BODY_LINES]:
        yield _Marked("<", "magenta", Text(shorten(line), style="dim"))
