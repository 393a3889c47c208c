"""International host names on the wire: IDNA as browsers and curl have it, from the stdlib's."""

from __future__ import annotations

import re
import unicodedata

# Python's codec is IDNA 2003, which turns these two into `ss` and the other sigma: other names
# than those that browsers and curl ask for since IDNA 2008 (RFC 5894, 7.2).
_DEVIATIONS = re.compile("([\u00df\u03c2])")
_JOINERS = ("\u200c", "\u200d")
_DOTS = re.compile("[.\u3002\uff0e\uff61]")  # RFC 3490, 3.1


def to_ascii(name: str) -> str:
    """A host name with its labels in Punycode where they need it. Raises ValueError."""
    if any(joiner in name for joiner in _JOINERS):
        raise ValueError("it contains invisible joiners: write it in its xn-- form")
    labels = _DOTS.split(name.replace("\u1e9e", "\u00df"))
    if not all(labels[:-1]):
        raise ValueError("one of its labels is empty")
    return ".".join(map(_label, labels))


def _label(label: str) -> str:
    if label.isascii() or not _DEVIATIONS.search(label):
        return label.encode("idna").decode("ascii")
    # nameprep everything except the deviating letters
    from encodings.idna import nameprep

    parts = [
        nameprep(part) if part and not _DEVIATIONS.fullmatch(part) else part
        for part in _DEVIATIONS.split(label)
    ]
    punycode = unicodedata.normalize("NFC", "".join(parts)).encode("punycode").decode("ascii")
    if len(punycode) > 59:  # with xn-- in front, 63 (RFC 1035, 2.3.4)
        raise ValueError("one of its labels is too long")
    return f"xn--{punycode}"
