"""Triggers: sets of hits that fit one source of light.

`muon` looks for tracks and `shower` for points among coincidences, `mixed` for
points among single hits around coincidences.  The rules are those of Jpp's
3DMuon, 3DShower and MXShower as far as they are known; the match criteria are
in `km3gpu.kernels.scalar.match`.

Positions and times are rounded to ticks of 1/1024 m (1 mm, 3 ps of light), in
which every decision is exact: what is found is the same on every backend.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels.arrays import exactly
from km3gpu.kernels.cpu import showers as _showers
from km3gpu.kernels.cpu import tracks as _tracks
from km3gpu.kernels.launch import Kernel, run, where_of
from km3gpu.kernels.scalar.triggers import CAPPED, FACTORY, FOUND, MOST, WINDOW_CAP
from km3gpu.kernels.sites import (
    INDEX_OF_REFRACTION,
    SPEED_OF_LIGHT,
    TICKS_PER_M,
    Sites,
    direction_axes,
    light_cut,
    road_cut,
    sites,
)

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

# farther, sums of squares are no longer exact in float64
_FARTHEST = float(1 << 12)
_U1, _I4, _I8, _F8 = np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float64)

_PLACES = ("f8[]", "f8[]", "f8[]", "f8[]")
_MUON = Kernel(
    "triggers.muon", _tracks.muon_block, _tracks.muon_blocks,
    (("i8[]", "i4[]", *_PLACES, "u1[]", "f8[]", "f8[]", "i8", "i8", "i8", "u1[]", "i8[]", "u1[]"),),
    # a root reads its candidates; 20 of them, as in real events
    bytes_per_item=36 + 20 * 36 + 10, item="coincidence", registers=112,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip
_SHOWER = Kernel(
    "triggers.shower", _showers.shower_block, _showers.shower_blocks,
    (("i8[]", "i4[]", *_PLACES, "u1[]", "f8[]", "i8", "i8", "i8", "i8", "u1[]", "i8[]", "u1[]"),),
    bytes_per_item=36 + 20 * 36 + 10, item="coincidence", registers=104,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip
_MIXED = Kernel(
    "triggers.mixed", _showers.mixed_block, _showers.mixed_blocks,
    (
        (
            "i8[]", "i4[]", *_PLACES, "i8[]", "i4[]", *_PLACES, "f8[]", "i8", "i8", "i8", "i8",
            "u1[]", "i8[]", "i8[]", "u1[]",
        ),
    ),
    bytes_per_item=36 + 100 * 36 + 18, item="coincidence", registers=104,
    threads_per_block=128, threads_per_item=128, checks=False,
)  # fmt: skip

KERNELS = (_MUON, _SHOWER, _MIXED)


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
    roots: Any | None = None,
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
    roots : (n,) uint8 array, optional
        Not 0 for coincidences that may be roots; all by default.

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
    begins = _may_begin(xp, n, roots)
    cut = _backend.Backend(where).to_device(road_cut(road_width, d_max, t_max_extra))
    found, last, state = xp.zeros(n, _U1), xp.empty(n, _I8), xp.empty(n, _U1)
    run(
        _MUON, where, n_events if where == "cpu" else n,
        hits.offsets, hits.module, hits.x, hits.y, hits.z, hits.t, begins, axes, cut,
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
    number_of_hits, number_of_modules, t_max_extra, factory_limit, roots
        As for `muon`.
    d_max : float
        Largest distance [m].
    folded : bool
        Match by 3G; by 3D otherwise.

    Returns
    -------
    found, last, state
        As for `muon`.
    """
    where, xp, n, n_events = _prepare(hits)
    _check(number_of_hits, factory_limit, d_max)
    begins = _may_begin(xp, n, roots)
    cut = _backend.Backend(where).to_device(light_cut(d_max, t_max_extra))
    found, last, state = xp.zeros(n, _U1), xp.empty(n, _I8), xp.empty(n, _U1)
    run(
        _SHOWER, where, n_events if where == "cpu" else n,
        hits.offsets, hits.module, hits.x, hits.y, hits.z, hits.t, begins, cut,
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

    Each coincidence is a root, and counts as one hit.  The hits on other modules
    that match it are reduced to a clique.

    Parameters
    ----------
    roots : Sites
        The coincidences.
    hits : Sites
        All hits, those of the coincidences among them; the same events.
    number_of_hits, number_of_modules, d_max, t_max_extra, factory_limit, folded
        As for `shower`, counted in hits, the root as one; the hits may be earlier
        than the root.

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
    cut = _backend.Backend(where).to_device(light_cut(d_max, t_max_extra))
    found = xp.zeros(n, _U1)
    first, last, state = xp.empty(n_roots, _I8), xp.empty(n_roots, _I8), xp.empty(n_roots, _U1)
    run(
        _MIXED, where, n_events if where == "cpu" else n_roots,
        roots.offsets, roots.module, roots.x, roots.y, roots.z, roots.t,
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


def _may_begin(xp: Any, n: int, roots: Any | None) -> Any:
    if roots is None:
        return xp.ones(n, _U1)
    roots = exactly(roots, _U1, "roots")
    if len(roots) != n:
        raise KernelError(f"columns differ in length (hits: {n}, roots: {len(roots)})")
    return roots


def _check(number_of_hits: int, factory_limit: int, *distances: float) -> None:
    if number_of_hits < 2:
        raise KernelError(f"a trigger of {number_of_hits} hits", remedy="take 2 or more")
    if not 1 <= factory_limit <= MOST:
        raise KernelError(f"a factory limit of {factory_limit}", remedy=f"take 1 to {MOST}")
    for d in distances:
        if not 0 <= d <= _FARTHEST:
            raise KernelError(f"a distance of {d} m", remedy=f"take 0 to {_FARTHEST:.0f} m")
