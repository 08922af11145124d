"""Whether two hits are close to each other in space and time."""

from __future__ import annotations

from numba.extending import register_jitable

from km3gpu.kernels.scalar.match import match_unfolded

__all__ = ["is_near"]


@register_jitable
def is_near(
    dt: float, dx: float, dy: float, dz: float, time: float, slowness2: float, radius2: float
) -> bool:
    """Tell whether two hits are neighbours: ``d <= R`` and ``|dt| <= T + s d``, ends included.

    Positions and times are whole ticks (see `km3gpu.kernels.scalar.match`), so
    every backend decides alike.

    Parameters
    ----------
    dt, dx, dy, dz : float
        Differences [ticks].
    time, slowness2, radius2 : float
        T, and the squares of s and R.
    """
    return bool(match_unfolded(abs(dt), dx * dx + dy * dy + dz * dz, time, slowness2, radius2))
