"""Numbers out of lines of text, on the CPU."""

from __future__ import annotations

import numba as nb
import numpy as np

__all__ = ["count_tokens", "parse_rows"]

_POWERS = np.array([10.0**k for k in range(23)])
_EXACT = 2**53  # whole numbers up to here are exact in float64
_BLANK, _TAB, _RETURN = 32, 9, 13
_PLUS, _MINUS, _POINT = 43, 45, 46
_ZERO, _NINE = 48, 57


@nb.njit(nogil=True, cache=True)
def _is_blank(c):
    return c in (_BLANK, _TAB, _RETURN)


@nb.njit(nogil=True, cache=True)
def _number(data, p, stop):
    """Read the token at p: (value, position after it, whether it was read exactly).

    A token is read exactly where its digits make a whole number below 2**53
    and its power of ten is at most 22: one rounding, as `float` does.  Fortran
    runs numbers together (``0.1E+03-0.1E+01``): a sign behind one begins the
    next.
    """
    begin = p
    sign = 1.0
    if data[p] == _MINUS or data[p] == _PLUS:
        if data[p] == _MINUS:
            sign = -1.0
        p += 1
    digits = 0
    mantissa = np.int64(0)
    exponent = np.int64(0)
    exact = True
    while p < stop and _ZERO <= data[p] <= _NINE:
        if mantissa < _EXACT // 16:
            mantissa = mantissa * 10 + np.int64(data[p]) - _ZERO
        else:
            exact = False
        digits += 1
        p += 1
    if p < stop and data[p] == _POINT:
        p += 1
        while p < stop and _ZERO <= data[p] <= _NINE:
            if mantissa < _EXACT // 16:
                mantissa = mantissa * 10 + np.int64(data[p]) - _ZERO
                exponent -= 1
            elif data[p] != _ZERO:
                exact = False
            digits += 1
            p += 1
    if digits > 0 and p + 1 < stop and (data[p] | 32) in (100, 101):  # e or Fortran's d
        q = p + 1
        negative = data[q] == _MINUS
        if data[q] == _MINUS or data[q] == _PLUS:
            q += 1
        if q < stop and _ZERO <= data[q] <= _NINE:
            power = np.int64(0)
            while q < stop and _ZERO <= data[q] <= _NINE:
                if power < 10000:
                    power = power * 10 + np.int64(data[q]) - _ZERO
                q += 1
            exponent += -power if negative else power
            p = q
    ended = p == stop or _is_blank(data[p]) or ((data[p] == _MINUS or data[p] == _PLUS) and p > begin + 1)
    if digits == 0 or not ended:
        while p < stop and not _is_blank(data[p]):
            p += 1
        return np.nan, max(p, begin + 1), True
    if mantissa == 0 and exact:
        return sign * 0.0, p, True
    if not exact or exponent > 22 or exponent < -22:
        return np.nan, p, False
    value = np.float64(mantissa)
    value = value * _POWERS[exponent] if exponent >= 0 else value / _POWERS[-exponent]
    return sign * value, p, True


@nb.njit(nogil=True, cache=True)
def count_tokens(data, starts, stops, counts):
    """Count the numbers (and other words) of each line.

    Parameters
    ----------
    data : (n_bytes,) uint8 array
        The text.
    starts, stops : (n,) int64 arrays
        Where the lines begin and end.
    counts : (n,) int64 array
        Filled.
    """
    for i in range(starts.size):
        p, stop = starts[i], stops[i]
        n = 0
        while p < stop:
            if _is_blank(data[p]):
                p += 1
                continue
            _, p, _ = _number(data, p, stop)
            n += 1
        counts[i] = n


@nb.njit(nogil=True, cache=True)
def parse_rows(data, starts, stops, offsets, values, hard, most):
    """Read the numbers of each line; a word that is no number is NaN.

    Parameters
    ----------
    data, starts, stops
        As for `count_tokens`.
    offsets : (n + 1,) int64 array
        Where the numbers of each line go.
    values : (offsets[-1],) float64 array
        Filled.
    hard : (most, 3) int64 array
        Filled with index, begin and end of the numbers that this cannot round
        correctly and that the caller must read again.
    most : int
        How many there is room for.

    Returns
    -------
    int
        How many there are.
    """
    n_hard = 0
    for i in range(starts.size):
        p, stop = starts[i], stops[i]
        k = offsets[i]
        while p < stop and k < offsets[i + 1]:
            if _is_blank(data[p]):
                p += 1
                continue
            begin = p
            value, p, exact = _number(data, p, stop)
            values[k] = value
            if not exact:
                if n_hard < most:
                    hard[n_hard, 0] = k
                    hard[n_hard, 1] = begin
                    hard[n_hard, 2] = p
                n_hard += 1
            k += 1
    return n_hard
