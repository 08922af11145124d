"""How hits compare with the direct light of a track or a shower: time residual and distance."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import light as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["KERNELS", "shower", "track"]

_C = 0.299792458  # m/ns
_F8 = np.dtype(np.float64)
_PLACE = ("t", "pos_x", "pos_y", "pos_z")

_TRACK = Kernel(
    "light.track", _cpu.track_block, _cpu.track_blocks,
    (("i8[]", "i4[]", *["f8[]"] * 11, "f8", "f8", "f8[]", "f8[]"),),
    bytes_per_item=4 + 32 + 16, item="hit", registers=56, checks=False,
)  # fmt: skip
_SHOWER = Kernel(
    "light.shower", _cpu.shower_block, _cpu.shower_blocks,
    (("i8[]", "i4[]", *["f8[]"] * 8, "f8", "f8[]", "f8[]"),),
    bytes_per_item=4 + 32 + 16, item="hit", registers=48, checks=False,
)  # fmt: skip

KERNELS = (_TRACK, _SHOWER)


def track(
    offsets: Any, hits: tuple[Any, ...], tracks: tuple[Any, ...], *, n_phase: float, n_group: float
) -> tuple[Any, Any]:
    """Compare hits with the Cherenkov light of their event's track, which is taken as endless.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    hits : tuple of (n,) array
        ``t`` [ns] and ``pos_x, pos_y, pos_z`` [m].
    tracks : tuple of (n_events,) array
        ``t, pos_x, pos_y, pos_z`` of each event's track and the unit vector
        ``dir_x, dir_y, dir_z`` that it travels along.
    n_phase, n_group : float
        Indices of refraction.

    Returns
    -------
    residual : (n,) float64 array
        How much later than the light the hit came [ns]; NaN where hit or track is NaN.
    distance : (n,) float64 array
        From the track [m].
    """
    sine = math.sqrt(1.0 - 1.0 / n_phase**2)
    tangent = sine * n_phase
    across = n_group / (_C * sine) - 1.0 / (_C * tangent)
    return _compare(_TRACK, offsets, hits, tracks, 7, (1.0 / _C, across))


def shower(
    offsets: Any, hits: tuple[Any, ...], showers: tuple[Any, ...], *, n_group: float
) -> tuple[Any, Any]:
    """Compare hits with the light of their event's shower, which is taken as a point.

    Parameters
    ----------
    offsets, hits
        As for `track`.
    showers : tuple of (n_events,) array
        ``t, pos_x, pos_y, pos_z``.
    n_group : float
        Group index of refraction.

    Returns
    -------
    residual, distance
        As for `track`, the distance from the shower.
    """
    return _compare(_SHOWER, offsets, hits, showers, 4, (n_group / _C,))


def _compare(
    kernel: Kernel, offsets: Any, hits: tuple[Any, ...], sources: tuple[Any, ...], needs: int, rates: Any
) -> tuple[Any, Any]:
    n = same_length(**dict(zip(_PLACE, hits, strict=True)))
    offsets = as_offsets(offsets, n)
    if len(sources) != needs or any(len(c) != len(offsets) - 1 for c in sources):
        raise KernelError(f"light of {[len(c) for c in sources]} sources for {len(offsets) - 1} events")
    hits, sources = (tuple(exactly(c, _F8, "time or place") for c in group) for group in (hits, sources))
    where = where_of(offsets, *hits, *sources)
    residual, distance = (_backend.empty(n, _F8, hits[0]) for _ in range(2))
    segment = _segments.expand(offsets)
    run(kernel, where, n, offsets, segment, *hits, *sources, *map(float, rates), residual, distance)
    return residual, distance
