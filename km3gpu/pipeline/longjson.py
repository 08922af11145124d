"""JSON of records with a hundred thousand items, written item by item.

``json.dumps`` of the whole needs ten times its size in memory, and with
``indent`` as many times as long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["pieces"]


def pieces(record: Mapping[str, Any]) -> Iterator[str]:
    """Give the text of a record in pieces.

    Parameters
    ----------
    record : mapping
        Plain values; what is a list may be an iterator as well.

    Yields
    ------
    str
        Together one JSON object: a line for each item of a list, and for each
        value within a mapping.
    """
    comma = "{"
    for key, value in record.items():
        yield f"{comma}\n {json.dumps(key)}: "
        comma = ","
        if isinstance(value, list | tuple | Iterator):
            yield from _items(iter(value))
        else:
            yield json.dumps(value, indent=1).replace("\n", "\n ")
    yield "{}\n" if comma == "{" else "\n}\n"


def _items(values: Iterator[Any]) -> Iterator[str]:
    comma = "["
    for value in values:
        yield f"{comma}\n  {json.dumps(value)}"
        comma = ","
    yield "[]" if comma == "[" else "\n ]"
