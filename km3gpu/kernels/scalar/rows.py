"""The row of the PMT of one hit."""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["NO_CHANNEL", "NO_MODULE", "row_of"]

NO_MODULE = -1
NO_CHANNEL = -2


@register_jitable
def row_of(first_row: int, n_pmts: int, channel: int) -> int:
    """Give the row of a channel, `NO_CHANNEL` beyond the module's, `NO_MODULE` in an empty slot.

    Parameters
    ----------
    first_row, n_pmts : int
        Of the slot where the module was looked up; a negative number of PMTs
        marks an empty one.
    channel : int
        Not negative.
    """
    if int(n_pmts) < 0:
        return NO_MODULE
    if int(channel) >= int(n_pmts):
        return NO_CHANNEL
    return int(first_row) + int(channel)
