"""Where an identifier is in a table of slots: multiply, shift."""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["first_slot"]


@register_jitable
def first_slot(key: int, multiplier: int, shift: int) -> int:
    """Give the slot in which the search for `key` begins.

    Parameters
    ----------
    key : int
        Any int32, negative ones too.
    multiplier : int
        Odd, below 2**31, so that the product stays within int64.
    shift : int
        32 less the binary logarithm of the number of slots.
    """
    return (((int(key) & 0xFFFFFFFF) * multiplier) & 0xFFFFFFFF) >> shift
