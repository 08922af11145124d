"""Sums of floating-point numbers by bin, exact: the order in which they are added does not matter.

A sum is kept as a whole number of 2**-1152, which every double is, so that the
sums of chunks add up to the sum of the whole, to the last bit, however the rows
were cut into chunks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from km3gpu.errors import FormatError

__all__ = ["added", "from_text", "rounded", "sums", "to_text"]

_POINT = 1152  # binary digits after the point, a multiple of 32 beyond those of the smallest double
_DIGIT = 32
_MASK = (1 << _DIGIT) - 1
_BLOCK = 1 << 20  # so many digits of 33 bits add up exactly in a double


def sums(index: Any, weights: Any) -> dict[int, int]:
    """Add weights up by bin.

    Parameters
    ----------
    index : (n,) int array
        Bin of each weight, from 0.
    weights : (n,) float array

    Returns
    -------
    dict of int to int
        By bin, in units of 2**-1152; bins with a sum of 0 are left out.

    Raises
    ------
    FormatError
        A weight is infinite or not a number.
    """
    weights = np.asarray(weights, np.float64)
    if not np.isfinite(weights).all():
        raise FormatError("a weight is infinite or NaN", remedy="select the rows with isfinite(...) before")
    found: dict[int, int] = {}
    for start in range(0, len(weights), _BLOCK):
        _add_block(found, index[start : start + _BLOCK], weights[start : start + _BLOCK])
    return {b: s for b, s in sorted(found.items()) if s}


def _add_block(found: dict[int, int], index: Any, weights: Any) -> None:
    mantissa, exponent = np.frexp(weights)
    whole = (mantissa * 2.0**53).astype(np.int64)  # |whole| <= 2**53, weight = whole * 2**(exponent - 53)
    place, shift = np.divmod(exponent.astype(np.int64) + (_POINT - 53), _DIGIT)
    low = (whole & _MASK) << shift  # below 2**63
    high = (whole >> _DIGIT) << shift  # signed, below 2**53
    digits = (low & _MASK, (low >> _DIGIT) + (high & _MASK), high >> _DIGIT)
    bins, which = np.unique(index, return_inverse=True)
    first = int(place.min(initial=0))
    width = int(place.max(initial=0)) - first + 3
    total = np.zeros(len(bins) * width)
    key = which * width + (place - first)
    for n, digit in enumerate(digits):
        total += np.bincount(key + n, digit.astype(np.float64), len(total))
    for b, row in zip(bins.tolist(), total.astype(np.int64).reshape(-1, width).tolist(), strict=True):
        value = sum(d << (_DIGIT * (first + i)) for i, d in enumerate(row) if d)
        found[b] = found.get(b, 0) + value


def added(several: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add sums by bin up."""
    total: dict[int, int] = {}
    for one in several:
        for b, s in one.items():
            total[b] = total.get(b, 0) + s
    return {b: s for b, s in sorted(total.items()) if s}


def rounded(exact: Mapping[int, int], n: int) -> Any:
    """Give the sums of `n` bins as the closest doubles, (n,) float64."""
    out = np.zeros(n)
    for b, s in exact.items():
        try:
            out[b] = s / (1 << _POINT)  # Python divides whole numbers with one rounding
        except OverflowError:
            out[b] = np.inf if s > 0 else -np.inf
    return out


def to_text(exact: Mapping[int, int]) -> list[Any]:
    """Give sums as ``[bin, hexadecimal, power of two]``, short and without loss."""
    rows = []
    for b, s in exact.items():
        zeros = (s & -s).bit_length() - 1
        rows.append([b, format(s >> zeros, "x"), zeros])
    return rows


def from_text(rows: Iterable[Any]) -> dict[int, int]:
    """Read what `to_text` wrote."""
    return {int(b): int(digits, 16) << int(zeros) for b, digits, zeros in rows}
