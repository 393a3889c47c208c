"""What cannot be in a host (URL Standard, 3.5) is in none, wherever the host was read from."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsdiag.cli.check.file import CheckFileError, read_check_file
from wsdiag.transport.dial import proxy, redirects
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError

FORBIDDEN = [*map(chr, range(0x21)), *'#/:<>?@[\\]^|%"`{}$;&', "\x7f", "\u2028", "\x85"]
ENCODED = [f"nx{''.join(f'%{byte:02x}' for byte in each.encode())}y.test" for each in FORBIDDEN]
SHELL = ["nx$(id).test", "nx`id`.test", "a;id", "a&id", "nx%24(id).test", "a%0a::error::x"]


@pytest.mark.parametrize("host", ENCODED + SHELL)
def test_no_url_has_it(host: str) -> None:
    with pytest.raises(UrlError):
        Target.parse(f"ws://{host}/")
    with pytest.raises(UrlError):
        Target.parse(f"ws://user@{host}:80/")


@pytest.mark.parametrize("host", ENCODED + SHELL)
def test_no_redirect_leads_there(host: str) -> None:
    here = Target.parse("ws://localhost/")
    for where in (f"ws://{host}/", f"//{host}/", f"http://{host}"):
        with pytest.raises(DialError) as refused:
            redirects.follow(here, DialOptions(), where)
        assert refused.value.code == "redirect-bad-location"


@pytest.mark.parametrize("host", ENCODED + SHELL)
def test_no_proxy_is_there(host: str) -> None:
    for scheme in ("http", "socks5h"):
        with pytest.raises(ValueError):
            proxy.parse(f"{scheme}://{host}:1", "-x")


@pytest.mark.parametrize("entry", [*FORBIDDEN, *ENCODED, *SHELL, "x:³", "[", "]:1", "[::1%25%00]"])
def test_noproxys_list_may_have_it_and_covers_nothing_by_it(entry: str) -> None:
    assert not proxy.bypassed("far.test", 80, entry)
    assert not proxy.bypassed("192.0.2.1", 80, f"a,{entry}")
    assert proxy.bypassed("far.test", 80, f"{entry},far.test")


@pytest.mark.parametrize("host", ENCODED + SHELL)
def test_a_file_that_has_it_names_the_line(host: str, tmp_path: Path) -> None:
    file = tmp_path / "wsdiag.toml"
    file.write_text(f"\n[[endpoint]]\nurl = 'ws://{host}/'\n")
    with pytest.raises(CheckFileError) as refused:
        read_check_file(file, {})
    assert any(f"{file}:3" in line for line in refused.value.lines()), refused.value.lines()
