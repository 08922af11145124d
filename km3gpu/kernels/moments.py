"""Shape of the hits of each event: centre, tensor of inertia and extent."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, same_length
from km3gpu.kernels.cpu import moments as _cpu
from km3gpu.kernels.launch import Kernel, run, where_of

__all__ = ["KERNELS", "Shape", "principal", "shape"]

_F8 = np.dtype(np.float64)

_PRINCIPAL = Kernel(
    "moments.principal", _cpu.principal_block, _cpu.principal_blocks, (("f8[]",) * 9,),
    bytes_per_item=72, item="matrix", registers=80, checks=False,
)  # fmt: skip

# The CPU goes through the hits of an event twice, from the nearest cache; a GPU adds up
# columns.  Both add in the same order, so they give the same bits.
_ABOUT = Kernel(
    "moments.about", _cpu.about_block, _cpu.about_blocks, (),
    bytes_per_item=32 * 1000 + 80, item="segment", registers=0, checks=False,
)  # fmt: skip

KERNELS = (_PRINCIPAL, _ABOUT)


class Shape(NamedTuple):
    """Shape of the hits of n events; NaN where none has a weight.

    Attributes
    ----------
    centre : tuple of (n,) float64 array
        Weighted mean of x, y and z [m].
    inertia : tuple of (n,) float64 array
        Eigenvalues of the tensor of inertia over the sum of weights, smallest
        first [m^2]: a line has the first at 0, a ball has three alike.
    extent : (n,) float64 array
        Largest distance of a hit from the centre [m].
    """

    centre: tuple[Any, Any, Any]
    inertia: tuple[Any, Any, Any]
    extent: Any


def principal(xx: Any, xy: Any, xz: Any, yy: Any, yz: Any, zz: Any) -> tuple[Any, Any, Any]:
    """Give the eigenvalues of symmetric matrices.

    Parameters
    ----------
    xx, xy, xz, yy, yz, zz : (n,) float64 array
        Elements.

    Returns
    -------
    small, middle, large : (n,) float64 array
    """
    elements = {"xx": xx, "xy": xy, "xz": xz, "yy": yy, "yz": yz, "zz": zz}
    n = same_length(**elements)
    columns = tuple(exactly(c, _F8, name) for name, c in elements.items())
    made = tuple(_backend.empty(n, _F8, columns[0]) for _ in range(3))
    run(_PRINCIPAL, where_of(*columns), n, *columns, *made)
    return made


def shape(offsets: Any, pos_x: Any, pos_y: Any, pos_z: Any, weight: Any) -> Shape:
    """Give the shape of the hits of each event.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    pos_x, pos_y, pos_z : (n,) array
        Position [m]; a hit at NaN does not count.
    weight : (n,) array
        Time over threshold, say; a hit of weight 0 does not count.

    Returns
    -------
    Shape
    """
    n = same_length(pos_x=pos_x, pos_y=pos_y, pos_z=pos_z, weight=weight)
    offsets = as_offsets(offsets, n)
    place = [exactly(c, _F8, "position") for c in (pos_x, pos_y, pos_z)]
    w = weight.astype(_F8)
    where = where_of(offsets, *place, w)
    if where == "cpu":
        about = np.empty((10, len(offsets) - 1))
        run(_ABOUT, where, len(offsets) - 1, offsets, *place, w, about, work=n)
        centre, elements, distance2 = tuple(about[:3]), tuple(about[3:9]), about[9]
    else:
        centre, elements, distance2 = _about(offsets, place, w)
    xp = _backend.namespace(w)
    small, middle, large = principal(*elements)
    # rounding can take an eigenvalue of 0 a little below it
    inertia = tuple(xp.maximum(a + b, 0.0) for a, b in ((small, middle), (small, large), (middle, large)))
    return Shape(centre, inertia, xp.sqrt(distance2))


def _about(offsets: Any, place: list[Any], w: Any) -> tuple[tuple[Any, Any, Any], tuple[Any, ...], Any]:
    """Give the centre, the elements about it, and the square of the largest distance from it."""
    xp = _backend.namespace(w)
    good = xp.isfinite(place[0] + place[1] + place[2]) & (w > 0)
    w = xp.where(good, w, 0.0)
    place = [xp.where(good, c, 0.0) for c in place]
    event = _segments.expand(offsets)
    total = _segments.total(offsets, w)
    total = xp.where(total > 0, total, np.nan)
    x, y, z = (_segments.total(offsets, w * c) / total for c in place)
    # about the centre: far from the origin, squares would lose the shape in rounding
    dx, dy, dz = (xp.where(good, c - mean[event], 0.0) for c, mean in zip(place, (x, y, z), strict=True))
    pairs = ((dx, dx), (dx, dy), (dx, dz), (dy, dy), (dy, dz), (dz, dz))
    elements = tuple(_segments.total(offsets, w * a * b) / total for a, b in pairs)
    distance2 = xp.where(good, dx * dx + dy * dy + dz * dz, np.nan)
    return (x, y, z), elements, _segments.maximum(offsets, distance2)
