r"""Texts in FITS files, which know printable ASCII only (FITS 4.0, section 7.3.3.1).

Any other byte, and the backslash, is written as ``\xHH``, so every text comes
back as it was, and plain ones read plainly everywhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.table import Ragged, counts_to_offsets

__all__ = ["escaped", "unescaped"]

_BACKSLASH, _X = ord("\\"), ord("x")
_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_VALUES = np.full(256, 255, np.uint8)
_VALUES[_DIGITS] = np.arange(16)


def escaped(texts: Ragged) -> Ragged:
    """Give texts in printable ASCII."""
    data = np.asarray(texts.content)
    odd = (data < 0x20) | (data > 0x7E) | (data == _BACKSLASH)
    if not odd.any():
        return texts
    at = counts_to_offsets(np.where(odd, 4, 1).astype(np.int64))
    out = np.empty(int(at[-1]), np.uint8)
    out[at[:-1]] = np.where(odd, _BACKSLASH, data)
    place, values = at[:-1][odd], data[odd]
    out[place + 1] = _X
    out[place + 2] = _DIGITS[values >> 4]
    out[place + 3] = _DIGITS[values & 15]
    return Ragged(at[texts.offsets], out, text=True)


def unescaped(texts: Ragged) -> Ragged:
    """Give texts as they were.

    Raises
    ------
    FormatError
        A backslash that begins nothing.
    """
    data = np.asarray(texts.content)
    place = np.flatnonzero(data == _BACKSLASH)
    if not len(place):
        return texts
    digits: Any = np.full((len(place), 2), 255, np.uint8)
    whole = place + 3 < len(data)
    digits[whole] = _VALUES[data[place[whole, None] + np.array([2, 3])]]
    keep = np.ones(len(data), bool)
    if bool((digits == 255).any()) or bool((data[place + 1] != _X).any()):
        raise FormatError("a text that does not read", remedy="fetch or write the file again")
    keep[(place[:, None] + np.array([1, 2, 3])).ravel()] = False
    out = data.copy()
    out[place] = digits[:, 0] << 4 | digits[:, 1]
    kept = counts_to_offsets(keep.astype(np.int64))
    return Ragged(kept[texts.offsets], out[keep], text=True)
