"""Do two hits fit one source of light?  Jpp's match criteria for arrays of pairs.

Hits are given as ``(t, x, y, z)`` [ns, m], each a number or an array; the two
sides are broadcast against each other, so that a column against a row makes a
matrix of all pairs.  Decisions are those of the triggers, to the bit: positions
and times are rounded to 1/1024 m first (see `km3gpu.kernels.sites`).  A pair
with a NaN does not match.  The formulas are in `km3gpu.kernels.scalar.match`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels.sites import SPEED_OF_LIGHT, TICKS_PER_M, direction_axes, light_cut, road_cut

__all__ = ["Hits", "clique", "match_1d", "match_3b", "match_3d", "match_3g"]

Hits: TypeAlias = tuple[Any, Any, Any, Any]


def match_3b(a: Hits, b: Hits, *, road_width: float, t_max_extra: float = 20.0) -> Any:
    """Tell which pairs of hits can be light of one muon (3B), whatever its direction.

    Parameters
    ----------
    a, b : tuple of (t, x, y, z)
        Times [ns] and positions [m] of the hits on either side.
    road_width : float
        Largest distance of the light from the track [m].
    t_max_extra : float
        Extra time [ns].

    Returns
    -------
    bool array
        True for a pair that matches, in the shape that `a` and `b` broadcast to.
    """
    cut = road_cut(_length(road_width), 0.0, _length(t_max_extra))
    extra, n2, r2, rs2, rst, rt, far2 = cut[2:9]
    dt, dx, dy, dz = _apart(a, b)
    xp = _backend.namespace(dt)
    t, d2 = abs(dt), dx * dx + dy * dy + dz * dz
    late, early = t - extra, t + extra
    near, far = d2 < r2, d2 > far2
    longest = xp.where(near, late, late - rst)
    in_time = (longest <= 0.0) | (longest * longest <= xp.where(near, n2 * d2, d2 - rs2))
    shortest = xp.where(far, early + rt, early)
    return in_time & (xp.where(far, d2 - r2, d2 - 4.0 * r2) <= shortest * shortest)


def match_1d(a: Hits, b: Hits, direction: Any, *, road_width: float, t_max_extra: float = 20.0) -> Any:
    """Tell which pairs of hits can be light of one muon that travels along a direction (1D).

    Parameters
    ----------
    a, b, road_width, t_max_extra
        As for `match_3b`.
    direction : (3,) array
        Unit vector that the muon travels along.

    Returns
    -------
    bool array
        As from `match_3b`.
    """
    cut = road_cut(_length(road_width), 0.0, _length(t_max_extra))
    given = np.asarray(direction, np.float64)
    if given.shape != (3,) or not abs(float(given @ given) - 1.0) < 1e-6:
        raise KernelError(
            f"{given.tolist()} is no direction", remedy="give a unit vector of three components"
        )
    ax, ay, az, bx, by, bz, gx, gy, gz = direction_axes(given[None]).tolist()
    dt, dx, dy, dz = _apart(a, b)
    xp = _backend.namespace(dt)
    u, v, w = (xp.rint(dx * i + dy * j + dz * k) for i, j, k in ((ax, ay, az), (bx, by, bz), (gx, gy, gz)))
    return _folded(abs(dt - w), u * u + v * v, cut[2], cut[9], cut[10], cut[4], cut[11])


def match_3g(a: Hits, b: Hits, *, d_max: float, t_max_extra: float = 20.0) -> Any:
    """Tell which pairs of hits can be light of one shower (3G).

    Parameters
    ----------
    a, b, t_max_extra
        As for `match_3b`.
    d_max : float
        Largest distance [m]; from half of it on, the farther the less time.

    Returns
    -------
    bool array
        As from `match_3b`.
    """
    _, extra, n2, top, limit2, half2 = light_cut(_length(d_max), _length(t_max_extra))
    dt, dx, dy, dz = _apart(a, b)
    return _folded(abs(dt), dx * dx + dy * dy + dz * dz, extra, n2, top, limit2, half2)


def match_3d(a: Hits, b: Hits, *, d_max: float, t_max_extra: float = 20.0) -> Any:
    """Tell which pairs of hits light can have gone between, or from one point to both (3D).

    Parameters
    ----------
    a, b, t_max_extra
        As for `match_3b`.
    d_max : float
        Largest distance [m].

    Returns
    -------
    bool array
        As from `match_3b`.
    """
    _, extra, n2, _, limit2, _ = light_cut(_length(d_max), _length(t_max_extra))
    dt, dx, dy, dz = _apart(a, b)
    late, d2 = abs(dt) - extra, dx * dx + dy * dy + dz * dz
    return (d2 <= limit2) & ((late <= 0.0) | (late * late <= n2 * d2))


def clique(matches: Any) -> np.ndarray:
    """Reduce hits to a set of which each matches each.

    The hit with the fewest matches is dropped, of equals the one in the lowest
    place, and the last one takes its place, until all that are left match.

    Parameters
    ----------
    matches : (n, n) bool array
        Which hits match which, symmetric; the diagonal does not count.

    Returns
    -------
    (m,) int64 array
        The hits that are left, in the order of their places.
    """
    m = np.array(_backend.Backend.to_host(matches), bool)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or (m != m.T).any():
        raise KernelError(
            f"matches of shape {m.shape} are no symmetric matrix", remedy="match hits with themselves"
        )
    np.fill_diagonal(m, False)
    member, degree = np.arange(len(m)), m.sum(axis=1)
    while len(member):
        fewest = int(np.argmin(degree[member]))
        if degree[member[fewest]] == len(member) - 1:
            break
        degree = degree - m[member[fewest]]
        member[fewest] = member[-1]
        member = member[:-1]
    return member


def _length(value: float) -> float:
    if not 0.0 <= value < np.inf:
        raise KernelError(f"{value} is no distance or time to match within", remedy="take 0 or more")
    return float(value)


def _apart(a: Hits, b: Hits) -> tuple[Any, Any, Any, Any]:
    """Give the differences of time and place, in ticks."""
    xp = _backend.namespace(np.asarray(a[0]) if np.isscalar(a[0]) else a[0])
    scales = (SPEED_OF_LIGHT * TICKS_PER_M, TICKS_PER_M, TICKS_PER_M, TICKS_PER_M)
    one, other = (
        [
            xp.rint(xp.asarray(column, dtype=np.float64) * scale)
            for column, scale in zip(side, scales, strict=True)
        ]
        for side in (a, b)
    )
    dt, dx, dy, dz = (q - p for p, q in zip(one, other, strict=True))
    return dt, dx, dy, dz


def _folded(t: Any, d2: Any, extra: float, k2: float, top: float, limit2: float, half2: float) -> Any:
    late = t - extra
    left, reach2 = top - late, k2 * d2
    rising = (late <= 0.0) | (late * late <= reach2)
    falling = (left >= 0.0) & (reach2 <= left * left)
    return (d2 <= half2) & rising | (d2 > half2) & (d2 <= limit2) & falling
