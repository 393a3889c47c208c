from __future__ import annotations

import pytest

from wsdiag.transport.dial.netrc import NetrcEntry, find, parse

FILE = r"""
# a comment
machine a.test login me password secret   # the rest is none of ours
machine b.test
  login "you there" account x
  password "p\"w\\1"
macdef init
machine not.this login a password b

machine a.test login other password two
default login anonymous password guest
"""
FOUND = parse(FILE)


def test_entries_in_order_without_comments_and_macros() -> None:
    assert list(FOUND) == [
        NetrcEntry("a.test", "me", "secret"),
        NetrcEntry("b.test", "you there", 'p"w\\1'),
        NetrcEntry("a.test", "other", "two"),
        NetrcEntry(None, "anonymous", "guest"),
    ]


@pytest.mark.parametrize(
    ("host", "user", "found"),
    [
        ("a.test", None, "me:secret"),
        ("A.Test.", None, "me:secret"),
        ("a.test", "other", "other:two"),
        ("a.test", "me:mine", "me:mine"),
        ("a.test", "nobody", "nobody"),
        ("c.test", None, "anonymous:guest"),
    ],
)
def test_who_is_found(host: str, user: str | None, found: str) -> None:
    assert find(FOUND, host, user) == found


def test_nothing_for_a_host_that_is_not_there() -> None:
    assert find(parse("machine a.test login x password y"), "b.test", None) is None
    assert parse("") == parse("machine") == ()
