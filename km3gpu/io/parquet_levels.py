"""Repetition and definition levels: how the values of a column of a Parquet file lie in lists.

Nothing is null, so all that they tell is where lists begin and which are empty;
columns that lie in the same lists share them (Dremel encoding, ``Encodings.md``
of the Apache Parquet format).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.kernels.cpu import encodings

__all__ = ["Levels", "levels_of"]


@dataclass(frozen=True)
class Levels:
    """How the values of a column lie in lists.

    Attributes
    ----------
    data : bytes
        Repetition and definition levels as they stand in a page.
    n : int
        Number of levels: of values and of empty lists.
    start, stop : int
        The values.
    """

    data: bytes
    n: int
    start: int
    stop: int


def levels_of(chain: Sequence[Any], start: int, stop: int) -> Levels:
    """Work out the levels of rows ``start`` to ``stop``.

    Parameters
    ----------
    chain : sequence of (n + 1,) int64 array or int
        Offsets of the lists of each row, from outside; an int for lists of that length.
    start, stop : int
        Rows.
    """
    if not chain:
        return Levels(b"", stop - start, start, stop)
    items = np.arange(start, stop)
    repetition = np.zeros(len(items), np.int32)
    definition = np.zeros(len(items), np.int32)
    for depth, offsets in enumerate(chain, 1):
        if isinstance(offsets, int):
            begin, counts = items * offsets, np.full(len(items), offsets)
            start, stop = start * offsets, stop * offsets
        else:
            begin = offsets[items]
            counts = offsets[items + 1] - begin
            start, stop = int(offsets[start]), int(offsets[stop])
        there = definition == depth - 1  # the others end in an empty list further out
        sizes = np.ones(len(there), np.int64)
        sizes[there] = np.maximum(counts, 1)
        first = np.cumsum(sizes) - sizes
        n = int(sizes.sum())
        above, repetition = repetition, np.full(n, depth, np.int32)
        repetition[first] = above
        if there.all() and counts.all():
            definition = np.full(n, depth, np.int32)
        else:
            definition[np.flatnonzero(there)[counts > 0]] = depth
            definition = np.repeat(definition, sizes)
        if depth < len(chain):
            ends = np.cumsum(counts)
            items = np.repeat(begin - ends + counts, counts) + np.arange(int(counts.sum()))
    width = len(chain).bit_length()
    return Levels(_level(repetition, width) + _level(definition, width), len(repetition), start, stop)


def _level(values: np.ndarray[Any, Any], width: int) -> bytes:
    out = np.empty(len(values) * width // 8 + len(values) // 8 + 32, np.uint8)
    n = encodings.runs(values, width, out)
    return struct.pack("<I", n) + out[:n].tobytes()
