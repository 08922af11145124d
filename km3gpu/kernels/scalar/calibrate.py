"""The time of one hit."""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["NO_CHANNEL", "NO_MODULE", "calibrated_time"]

NO_MODULE = 1
NO_CHANNEL = 2


@register_jitable
def calibrated_time(tdc: int, t0: float, slew: float) -> float:
    """Give the time in ns: as stored, plus the PMT's offset, less the slewing of the ToT.

    Always in float64: in float32 times near 1e8 ns step by 8 ns.
    """
    return float(tdc) + float(t0) - float(slew)
