"""Triggers: sets of hits that fit one source of light.

`muon` looks for tracks and `shower` for points among coincidences, `mixed` for
points among single hits around coincidences.  The rules are those of Jpp's
3DMuon, 3DShower and MXShower as far as they are known; the match criteria are
in `km3gpu.kernels.scalar.match`.

Positions and times are rounded to ticks of 1/1024 m (1 mm, 3 ps of light), in
which every decision is exact: what is found is the same on every backend.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import triggers as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, WINDOW_CAP

__all__ = [
    "CAPPED",
    "FACTORY",
    "FOUND",
    "INDEX_OF_REFRACTION",
    "KERNELS",
    "MOST",
    "SPEED_OF_LIGHT",
    "TICKS_PER_M",
    "WINDOW_CAP",
    "Sites",
    "direction_axes",
    "mixed",
    "muon",
    "shower",
    "sites",
]

SPEED_OF_LIGHT = 0.299792458
"""In vacuum [m/ns]."""

INDEX_OF_REFRACTION = 1.3800851282
"""Group index of sea water, as Jpp has it; also for the Cherenkov angle."""

TICKS_PER_M = 1024.0

_TAN = math.sqrt(INDEX_OF_REFRACTION**2 - 1.0)
_SIN = _TAN / INDEX_OF_REFRACTION
_AXIS_TICKS = float(1 << 20)
# farther, sums of squares are no longer exact in float64
_FARTHEST = float(1 << 12)
_U1, _I4, _I8, _F8 = np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float64)

_PLACES = ("f8[]", "f8[]", "f8[]", "f8[]")
_MUON = Kernel(
    "triggers.muon", _cpu.muon_block, _cpu.muon_blocks,
    (("i8[]", "i4[]", *_PLACES, "f8[]", "f8[]", "i8", "i8", "i8", "u1[]", "i8[]", "u1[]"),),
    # a root reads its candidates; 20 of them, as in real events
    bytes_per_item=36 + 20 * 36 + 10, item="coincidence", registers=112,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip
_SHOWER = Kernel(
    "triggers.shower", _cpu.shower_block, _cpu.shower_blocks,
    (("i8[]", "i4[]", *_PLACES, "u1[]", "f8[]", "i8", "i8", "i8", "i8", "u1[]", "i8[]", "u1[]"),),
    bytes_per_item=36 + 20 * 36 + 10, item="coincidence", registers=104,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip
_MIXED = Kernel(
    "triggers.mixed", _cpu.mixed_block, _cpu.mixed_blocks,
    (
        (
            "i8[]", *_PLACES, "i8[]", "i4[]", *_PLACES, "f8[]", "i8", "i8", "i8", "i8",
            "u1[]", "i8[]", "i8[]", "u1[]",
        ),
    ),
    bytes_per_item=36 + 100 * 36 + 18, item="coincidence", registers=104,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip

KERNELS = (_MUON, _SHOWER, _MIXED)


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


def muon(
    hits: Sites,
    axes: Any,
    *,
    number_of_hits: int,
    number_of_modules: int,
    road_width: float,
    d_max: float,
    t_max_extra: float,
    factory_limit: int,
) -> tuple[Any, Any, Any]:
    """Find sets of coincidences that fit the Cherenkov light of a track.

    Each coincidence is a root.  The later ones that match it by 3B are reduced
    to a clique.  Where in some direction those of them that match it by 1D,
    reduced to a clique once more, are enough and on enough modules, the root and
    all of the first clique are found.

    Parameters
    ----------
    hits : Sites
        The coincidences.
    axes : (9 * n_directions,) float64 array
        From `direction_axes`.
    number_of_hits, number_of_modules : int
        Coincidences (the root included) and modules needed.
    road_width, d_max : float
        Largest distance across the track, and from the root [m].
    t_max_extra : float
        Extra time [ns].
    factory_limit : int
        From so many coincidences that match a root (itself included) on, all
        are found as they are; at most 256.

    Returns
    -------
    found : (n,) uint8 array
        1 for a coincidence that is found with some root.
    last : (n,) int64 array
        For each root the row of the last coincidence found with it, -1 for none.
    state : (n,) uint8 array
        For each root: bits `FOUND`, `FACTORY` and `CAPPED` (more than
        `WINDOW_CAP` coincidences after it in the time that light takes over
        `d_max`: the later ones were not looked at).

    Raises
    ------
    KernelError
        The factory limit or a distance is too large, or `number_of_hits` is below 2.
    """
    where, xp, n, n_events = _prepare(hits, axes)
    _check(number_of_hits, factory_limit, road_width, d_max)
    cut = _backend.Backend(where).to_device(_road(road_width, d_max, t_max_extra))
    found, last, state = xp.zeros(n, _U1), xp.empty(n, _I8), xp.empty(n, _U1)
    run(
        _MUON, where, n_events if where == "cpu" else n,
        hits.offsets, hits.module, hits.x, hits.y, hits.z, hits.t, axes, cut,
        int(number_of_hits), int(number_of_modules), int(factory_limit), found, last, state,
        work=n * _HEAVY,
    )  # fmt: skip
    return found, last, state


def shower(
    hits: Sites,
    *,
    number_of_hits: int,
    number_of_modules: int,
    d_max: float,
    t_max_extra: float,
    factory_limit: int,
    folded: bool = True,
    roots: Any | None = None,
) -> tuple[Any, Any, Any]:
    """Find sets of coincidences that fit the light of a point.

    Each coincidence is a root.  The later ones that match it are reduced to a
    clique; where enough are left, on enough modules, they and the root are found.

    Parameters
    ----------
    hits : Sites
        The coincidences.
    number_of_hits, number_of_modules, t_max_extra, factory_limit
        As for `muon`.
    d_max : float
        Largest distance [m].
    folded : bool
        Match by 3G; by 3D otherwise.
    roots : (n,) uint8 array, optional
        Not 0 for coincidences that may be roots; all by default.

    Returns
    -------
    found, last, state
        As for `muon`.
    """
    where, xp, n, n_events = _prepare(hits)
    _check(number_of_hits, factory_limit, d_max)
    roots = xp.ones(n, _U1) if roots is None else exactly(roots, _U1, "roots")
    same_length(hits=hits.t, roots=roots)
    cut = _backend.Backend(where).to_device(_light(d_max, t_max_extra))
    found, last, state = xp.zeros(n, _U1), xp.empty(n, _I8), xp.empty(n, _U1)
    run(
        _SHOWER, where, n_events if where == "cpu" else n,
        hits.offsets, hits.module, hits.x, hits.y, hits.z, hits.t, roots, cut,
        int(number_of_hits), int(number_of_modules), int(factory_limit), int(folded), found, last, state,
        work=n * _HEAVY,
    )  # fmt: skip
    return found, last, state


def mixed(
    roots: Sites,
    hits: Sites,
    *,
    number_of_hits: int,
    number_of_modules: int,
    d_max: float,
    t_max_extra: float,
    factory_limit: int,
    folded: bool = True,
) -> tuple[Any, Any, Any, Any]:
    """Find sets of single hits that fit the light of a point and match a coincidence.

    Parameters
    ----------
    roots : Sites
        The coincidences.
    hits : Sites
        All hits, those of the coincidences among them; the same events.
    number_of_hits, number_of_modules, d_max, t_max_extra, factory_limit, folded
        As for `shower`, counted in hits; the hits may be earlier than the root.

    Returns
    -------
    found : (n_hits,) uint8 array
        1 for a hit that is found with some root.
    first, last : (n_roots,) int64 array
        Rows of the first and last hit found with a root, -1 for none.
    state : (n_roots,) uint8 array
        As for `muon`.
    """
    where, xp, n_roots, n_events = _prepare(roots)
    where_hits, _, n, n_events_of_hits = _prepare(hits)
    if (where, n_events) != (where_hits, n_events_of_hits):
        raise KernelError(f"roots of {n_events} events and hits of {n_events_of_hits}")
    _check(number_of_hits, factory_limit, d_max)
    cut = _backend.Backend(where).to_device(_light(d_max, t_max_extra))
    found = xp.zeros(n, _U1)
    first, last, state = xp.empty(n_roots, _I8), xp.empty(n_roots, _I8), xp.empty(n_roots, _U1)
    run(
        _MIXED, where, n_events if where == "cpu" else n_roots,
        roots.offsets, roots.x, roots.y, roots.z, roots.t,
        hits.offsets, hits.module, hits.x, hits.y, hits.z, hits.t, cut,
        int(number_of_hits), int(number_of_modules), int(factory_limit), int(folded),
        found, first, last, state,
        work=n_roots * _HEAVY,
    )  # fmt: skip
    return found, first, last, state


# A root costs as much as this many hits of a simple kernel.
_HEAVY = 100


def _prepare(hits: Sites, *more: Any) -> tuple[str, Any, int, int]:
    where = where_of(hits.t, *more)
    return where, _backend.namespace(hits.t), len(hits.t), len(hits.offsets) - 1


def _check(number_of_hits: int, factory_limit: int, *distances: float) -> None:
    if number_of_hits < 2:
        raise KernelError(f"a trigger of {number_of_hits} hits", remedy="take 2 or more")
    if not 1 <= factory_limit <= MOST:
        raise KernelError(f"a factory limit of {factory_limit}", remedy=f"take 1 to {MOST}")
    for d in distances:
        if not 0 <= d <= _FARTHEST:
            raise KernelError(f"a distance of {d} m", remedy=f"take 0 to {_FARTHEST:.0f} m")


def _road(road_width: float, d_max: float, t_max_extra: float) -> Any:
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


def _light(d_max: float, t_max_extra: float) -> Any:
    """Give the constants of 3G and 3D, in ticks."""
    d, n = d_max * TICKS_PER_M, INDEX_OF_REFRACTION
    extra = t_max_extra * SPEED_OF_LIGHT * TICKS_PER_M
    return np.array([d * n + extra, extra, n * n, n * d, d * d, d * d / 4.0])
