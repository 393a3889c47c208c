"""A refusal's body as text: encodings, charsets, and what cannot be read."""

from __future__ import annotations

import gzip
import zlib

import pytest

from wsdiag.protocol.content import MAX_TEXT_BYTES, body_text

TEXT = "Доступ запрещён"
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(b"No entry") + RAW.flush()


@pytest.mark.parametrize(
    ("headers", "body", "text"),
    [
        ({}, b"No entry", "No entry"),
        ({"Content-Encoding": "gzip"}, gzip.compress(b"No entry", mtime=0), "No entry"),
        ({"Content-Encoding": "GZIP, identity"}, gzip.compress(b"No entry", mtime=0), "No entry"),
        ({"Content-Encoding": "deflate"}, zlib.compress(b"No entry"), "No entry"),
        ({"Content-Encoding": "deflate"}, DEFLATED, "No entry"),
        ({"Content-Encoding": "deflate, gzip"}, gzip.compress(zlib.compress(b"x"), mtime=0), "x"),
        ({}, gzip.compress(b"its header was lost", mtime=0), "its header was lost"),
        ({"Content-Encoding": "br"}, b"plain after all", "plain after all"),
        ({"Content-Type": "text/plain; charset=windows-1251"}, TEXT.encode("cp1251"), TEXT),
        ({"Content-Type": 'text/html; charset="KOI8-R"'}, TEXT.encode("koi8-r"), TEXT),
        (
            {},
            b"<meta charset=windows-1251>" + TEXT.encode("cp1251"),
            "<meta charset=windows-1251>" + TEXT,
        ),
        ({"Content-Type": "text/plain; charset=shift_jis"}, "拒否".encode("shift_jis"), "拒否"),
        ({}, TEXT.encode("utf-16"), TEXT),
        ({}, "é".encode() * 3 + b"\xc3", "ééé"),
        ({}, b"caf\xe9s", "cafés"),
        ({"Content-Type": "text/plain; charset=punycode"}, b"a-b", "a-b"),
        ({"Content-Type": "text/plain; charset=nonsense"}, b"a", "a"),
    ],
)
def test_a_body_is_read_as_it_is_labelled(headers: dict[str, str], body: bytes, text: str) -> None:
    assert body_text(list(headers.items()), body).strip("\ufeff") == text


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Encoding": "br"}, b"\x8b\x03\x80No", "5 bytes that are compressed (br)"),
        ({"Content-Encoding": "zstd"}, b"\x28\xb5\x2f\xfd" * 3, "compressed (zstd)"),
        ({"Content-Encoding": "gzip"}, b"\x1f\x8b\xff\xff\xff", "compressed (gzip)"),
        ({}, b"\x00\x01\x02", "3 bytes that are not text: 00 01 02"),
    ],
)
def test_what_cannot_be_read_is_named(headers: dict[str, str], body: bytes, words: str) -> None:
    assert words in body_text(list(headers.items()), body)


def test_a_body_that_was_cut_off_is_read_as_far_as_it_came() -> None:
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(900)))
    headers = [("Content-Encoding", "gzip")]
    assert body_text(headers, whole[: len(whole) // 2]).startswith("line 0\nline 1\n")


def test_a_small_body_cannot_become_a_large_one() -> None:
    bomb = gzip.compress(b"a" * 10_000_000, mtime=0)
    assert len(body_text([("Content-Encoding", "gzip")], bomb)) == MAX_TEXT_BYTES
