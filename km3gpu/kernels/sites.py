"""Where and when hits are, in the whole numbers that triggers decide by.

Positions and times are rounded to ticks of 1/1024 m (1 mm, 3 ps of light), in
which every decision is exact: what is found is the same on every backend.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length

__all__ = [
    "INDEX_OF_REFRACTION",
    "SPEED_OF_LIGHT",
    "TICKS_PER_M",
    "Sites",
    "direction_axes",
    "light_cut",
    "road_cut",
    "sites",
]

SPEED_OF_LIGHT = 0.299792458
"""In vacuum [m/ns]."""

TICKS_PER_M = 1024.0

INDEX_OF_REFRACTION = 1.3800851282
"""Group index of sea water, as Jpp has it; also for the Cherenkov angle."""

_TAN = math.sqrt(INDEX_OF_REFRACTION**2 - 1.0)
_SIN = _TAN / INDEX_OF_REFRACTION
_AXIS_TICKS = float(1 << 20)
_I4, _F8 = np.dtype(np.int32), np.dtype(np.float64)


class Sites(NamedTuple):
    """Where and when hits (or coincidences) are, event by event in order of time.

    Attributes
    ----------
    offsets : (n_events + 1,) int64 array
        Rows of each event.
    module : (n,) int32 array
        Identifier of the module.
    x, y, z, t : (n,) float64 array
        Position, and time as the way of light in vacuum, in whole ticks of
        1/1024 m.
    order : (n,) int64 array
        Row of each in the columns that `sites` was given.
    """

    offsets: Any
    module: Any
    x: Any
    y: Any
    z: Any
    t: Any
    order: Any


def sites(offsets: Any, module: Any, pos_x: Any, pos_y: Any, pos_z: Any, t: Any) -> Sites:
    """Sort hits of each event by time and round them to ticks.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    module : (n,) int32 array
        Module of each hit.
    pos_x, pos_y, pos_z : (n,) array
        Position [m].
    t : (n,) float64 array
        Time [ns].

    Returns
    -------
    Sites
        Equal times in the order of the rows; hits at NaN (in time or place)
        come last in their event, and match nothing.
    """
    n = same_length(module=module, pos_x=pos_x, pos_y=pos_y, pos_z=pos_z, t=t)
    offsets = as_offsets(offsets, n)
    xp = _backend.namespace(t)
    module = exactly(module, _I4, "module")
    x, y, z = (xp.rint(p.astype(_F8) * TICKS_PER_M) for p in (pos_x, pos_y, pos_z))
    time = xp.rint(exactly(t, _F8, "t") * (SPEED_OF_LIGHT * TICKS_PER_M))
    lost = ~xp.isfinite(x + y + z + time)
    time = xp.where(lost, xp.nan, time)
    order = _segments.order(offsets, xp.zeros(n, _I4), time)
    return Sites(offsets, module[order], x[order], y[order], z[order], time[order], order)


def direction_axes(directions: Any) -> Any:
    """Give each direction two axes across it, rounded so that projections are exact.

    Parameters
    ----------
    directions : (n, 3) array
        Unit vectors.

    Returns
    -------
    (9 * n,) float64 array
        x, y and z of the first axis of all directions, of the second, and of
        the directions themselves, in multiples of 2^-20.
    """
    g = np.asarray(directions, dtype=np.float64).reshape(-1, 3)
    # the axis of the frame that is the farthest from the direction
    steep = np.abs(g[:, 2]) >= 0.9
    across = np.where(
        steep[:, None],
        np.column_stack((np.zeros(len(g)), -g[:, 2], g[:, 1])),
        np.column_stack((-g[:, 1], g[:, 0], np.zeros(len(g)))),
    )
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    columns = np.concatenate((across, np.cross(g, across), g), axis=1).T
    return np.ascontiguousarray(np.rint(columns * _AXIS_TICKS) / _AXIS_TICKS).reshape(-1)


def road_cut(road_width: float, d_max: float, t_max_extra: float) -> Any:
    """Give the constants of 3B and 1D, in ticks (see `km3gpu.kernels.scalar.match`)."""
    r, d, n = road_width * TICKS_PER_M, d_max * TICKS_PER_M, INDEX_OF_REFRACTION
    extra = t_max_extra * SPEED_OF_LIGHT * TICKS_PER_M
    far = r / 2.0 * math.sqrt(_TAN**2 + 10.0 + 9.0 / _TAN**2)
    return np.array(
        [
            d * n + extra, d * d, extra,
            n * n, r * r, (r * _SIN) ** 2, r * _SIN * _TAN, r * _TAN, far * far,
            _TAN**2, r * _TAN, r * r / 4.0,
        ]
    )  # fmt: skip


def light_cut(d_max: float, t_max_extra: float) -> Any:
    """Give the constants of 3G and 3D, in ticks."""
    d, n = d_max * TICKS_PER_M, INDEX_OF_REFRACTION
    extra = t_max_extra * SPEED_OF_LIGHT * TICKS_PER_M
    return np.array([d * n + extra, extra, n * n, n * d, d * d, d * d / 4.0])
