"""Do two hits fit one source of light?  The match criteria of Jpp's triggers.

All lengths are in ticks of 1/1024 m, and times are lengths too: the way light
goes in vacuum.  Positions and times of hits are whole numbers of ticks, so sums
of squares are exact in float64, and no value here is a product added to
something that is not exact.  A GPU, which fuses multiply and add, therefore
decides every pair as a CPU does.

``n`` is the group index of refraction and ``theta`` the Cherenkov angle, both
as in Jpp (``n = 1.3800851282``, ``cos(theta) = 1 / n``).  With distance ``d``,
difference of times ``t`` and extra time ``T``:

3B (muon, road width ``R``)
    ``t <= d n + T`` for ``d < R``, else ``t <= sqrt(d^2 - (R sin)^2) + R sin tan + T``;
    and ``t >= sqrt(d^2 - 4 R^2) - T`` for ``d > 2 R``, from
    ``d > R / 2 sqrt(tan^2 + 10 + 9 / tan^2)`` on ``t >= sqrt(d^2 - R^2) - R tan - T``.
1D (muon of known direction, ``rho`` across it, ``t`` less the way along it)
    ``t <= rho tan + T`` for ``rho <= R / 2``, ``t <= (R - rho) tan + T`` up to ``R``, else no.
3G (shower, largest distance ``D``)
    ``t <= d n + T`` for ``d <= D / 2``, ``t <= (D - d) n + T`` up to ``D``, else no.
3D
    ``t <= d n + T`` up to ``D``.

Sources: 3B after Bakker's thesis (trigger studies for ANTARES and KM3NeT) as a
public Julia port of Jpp has it; 1D and 3D from that port; 3G is supported by
the trigger flags of stored events (its fold at ``D / 2`` raises the purity).
"""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["match_folded", "match_road", "match_unfolded", "whole"]

# Adding and taking off 1.5 * 2^52 rounds a float64 below 2^51 to a whole number.
_ROUND = 6755399441055744.0


@register_jitable
def whole(x: float) -> float:
    """Round to the nearest whole number, halves to even."""
    return (x + _ROUND) - _ROUND


@register_jitable
def match_road(
    t: float, d2: float, extra: float, n2: float, r2: float, rs2: float, rst: float, rt: float, far2: float
) -> bool:
    """Tell whether two hits match by 3B.

    Parameters
    ----------
    t : float
        Difference of their times, not negative [ticks].
    d2 : float
        Square of their distance [ticks^2].
    extra : float
        Extra time [ticks].
    n2, r2, rs2, rst, rt, far2 : float
        ``n^2, R^2, (R sin)^2, R sin tan, R tan`` and the square of the distance
        from which on the road bounds the time from below.
    """
    late = t - extra
    early = t + extra
    near = d2 < r2
    far = d2 > far2
    a = late if near else late - rst
    b = n2 * d2 if near else d2 - rs2
    c = early + rt if far else early
    # d^2 - 4 R^2 is negative up to 2 R, where nothing bounds the time from below
    e = d2 - r2 if far else d2 - 4.0 * r2
    return ((a <= 0.0) | (a * a <= b)) & (e <= c * c)


@register_jitable
def match_folded(
    t: float, d2: float, extra: float, k2: float, top: float, limit2: float, half2: float
) -> bool:
    """Tell whether two hits match by a cone that folds back at half of a distance: 1D and 3G.

    Parameters
    ----------
    t : float
        Difference of their times, not negative [ticks].
    d2 : float
        Square of their distance, or of that across the track [ticks^2].
    extra : float
        Extra time [ticks].
    k2, top : float
        Square of the slope ``k`` (``tan`` or ``n``), and ``k`` times the largest distance.
    limit2, half2 : float
        Squares of the largest distance and of half of it [ticks^2].
    """
    late = t - extra
    left = top - late
    reach2 = k2 * d2
    rising = (late <= 0.0) | (late * late <= reach2)
    falling = (left >= 0.0) & (reach2 <= left * left)
    return (d2 <= half2) & rising | (d2 > half2) & (d2 <= limit2) & falling


@register_jitable
def match_unfolded(t: float, d2: float, extra: float, k2: float, limit2: float) -> bool:
    """Tell whether two hits match by 3D (see `match_folded` for the parameters)."""
    late = t - extra
    return (d2 <= limit2) & ((late <= 0.0) | (late * late <= k2 * d2))
