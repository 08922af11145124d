"""How a detector is laid out: strings, floors, neighbours, sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from km3gpu.errors import GeometryError
from km3gpu.table import Table, counts_to_offsets

if TYPE_CHECKING:
    from km3gpu.detector.detector import Detector

__all__ = ["du_table", "floor_distance", "footprint", "height", "neighbours", "row_at", "row_of", "volume"]


def row_of(detector: Detector, dom_id: int) -> int:
    """Give the row of a module.

    Raises
    ------
    GeometryError
        The detector does not have it.
    """
    found = np.flatnonzero(detector.modules.dom_id == dom_id)
    if not len(found):
        raise GeometryError(f"no module {dom_id}", where=detector.path or repr(detector))
    return int(found[0])


def row_at(detector: Detector, du: int, floor: int) -> int:
    """Give the row of the module on a floor of a string.

    Raises
    ------
    GeometryError
        There is no such string, or no module on that floor of it, or several.
    """
    m = detector.modules
    on_string = m.du == du
    found = np.flatnonzero(on_string & (m.floor == floor))
    if len(found) == 1:
        return int(found[0])
    where = detector.path or repr(detector)
    if not on_string.any():
        raise GeometryError(f"no string {du}", where=where, remedy=f"there are {_shown(detector.dus)}")
    what = "no module" if not len(found) else f"{len(found)} modules"
    floors = np.unique(m.floor[on_string])
    raise GeometryError(
        f"{what} on floor {floor} of string {du}", where=where, remedy=f"its floors are {_shown(floors)}"
    )


def _shown(numbers: np.ndarray) -> str:
    return ", ".join(str(n) for n in numbers[:40]) + (", ..." if len(numbers) > 40 else "")


def floor_distance(detector: Detector) -> float:
    """Give the mean vertical distance between neighbouring optical modules of a string [m].

    The mean over strings of the mean over each string; NaN where no string has
    two optical modules.
    """
    m = detector.modules
    steps = [
        float(np.diff(np.sort(m.pos[(m.du == du) & detector.optical, 2])).mean())
        for du in detector.dus
        if ((m.du == du) & detector.optical).sum() > 1
    ]
    return float(np.mean(steps)) if steps else float("nan")


def neighbours(detector: Detector, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Give, for every module, the other modules within a distance.

    Parameters
    ----------
    detector : Detector
        n modules.
    radius : float
        m, between centres; included.

    Returns
    -------
    offsets : (n + 1,) int64 array
        The neighbours of module ``i`` are ``rows[offsets[i]:offsets[i + 1]]``.
    rows : (k,) int64 array
        Rows of modules, ascending for each.
    """
    pos = detector.modules.pos
    close = np.empty((len(pos), len(pos)), dtype=bool)
    for i, p in enumerate(pos):  # row by row: n^2 distances at once may not fit
        close[i] = np.square(pos - p).sum(axis=1) <= radius**2
        close[i, i] = False
    return counts_to_offsets(close.sum(axis=1)), np.nonzero(close)[1]


def height(detector: Detector) -> float:
    """Give the height between the lowest and the highest optical module [m]."""
    z = detector.modules.pos[detector.optical, 2]
    return float(np.ptp(z)) if len(z) else 0.0


def footprint(detector: Detector) -> float:
    """Give the area of the convex hull of the optical modules seen from above [m^2]."""
    hull = _convex_hull(detector.modules.pos[detector.optical, :2])
    x, y = hull.T
    return float(0.5 * abs((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) if len(hull) > 2 else 0.0


def volume(detector: Detector) -> float:
    """Give the instrumented volume: footprint times height, without a margin [m^3]."""
    return footprint(detector) * height(detector)


def _convex_hull(points: np.ndarray) -> np.ndarray:
    """Give the corners of the convex hull, (k, 2), counterclockwise (A. M. Andrew, 1979)."""
    points = np.unique(points, axis=0)
    if len(points) < 3:
        return points

    def half(ordered: np.ndarray) -> list[np.ndarray]:
        chain: list[np.ndarray] = []
        for p in ordered:
            while len(chain) > 1 and _cross(chain[-1] - chain[-2], p - chain[-2]) <= 0.0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return np.array(half(points) + half(points[::-1]))


def _cross(a: np.ndarray, b: np.ndarray) -> float:
    return float(a[0] * b[1] - a[1] * b[0])


def du_table(detector: Detector) -> Table:
    """Describe the strings.

    Returns
    -------
    Table
        ``strings``, one row per string: ``du``; ``x``, ``y`` [m], mean of its
        optical modules (of its base, where it has no other); ``z_min``,
        ``z_max`` [m] of the same; ``n_floors``, its optical modules; ``n_pmts``;
        ``base``, the id of its base module, -1 for none.
    """
    m = detector.modules
    rows = []
    for du in detector.dus:
        on_string = m.du == du
        optical = on_string & detector.optical
        pos = m.pos[optical if optical.any() else on_string]
        base = m.dom_id[on_string & (m.floor == 0)]
        rows.append(
            (
                *(du, pos[:, 0].mean(), pos[:, 1].mean(), pos[:, 2].min(), pos[:, 2].max()),
                *(optical.sum(), m.n_pmts[on_string].sum(), base[0] if len(base) else -1),
            )
        )
    names = ("du", "x", "y", "z_min", "z_max", "n_floors", "n_pmts", "base")
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(names)).T
    whole = ("du", "n_floors", "n_pmts", "base")
    return Table(
        "strings",
        {
            n: np.ascontiguousarray(c, "i4" if n in whole else "f8")
            for n, c in zip(names, columns, strict=True)
        },
    )
