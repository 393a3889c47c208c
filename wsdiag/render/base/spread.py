"""Labels along an axis."""

from __future__ import annotations

from collections.abc import Mapping


def spread(places: Mapping[int, str], width: int) -> str:
    """Labels centred under their columns, those that would touch another left out."""
    line = [" "] * width
    for column in sorted(places):
        label = places[column]
        begin = min(max(column - len(label) // 2, 0), max(width - len(label), 0))
        around = line[max(begin - 1, 0) : begin + len(label) + 1]
        if begin + len(label) <= width and all(char == " " for char in around):
            line[begin : begin + len(label)] = label
    return "".join(line)
