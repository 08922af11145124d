"""How PMTs sit in an optical module, and how a module is turned against that.

A module of KM3NeT holds 31 PMTs in rings of six and one that looks straight
down.  Its compass tells how the module's own frame is turned; the axes of its
PMTs in the detector description tell how the description has turned it.
"""

from __future__ import annotations

import numpy as np

from km3gpu.detector.arrays import Modules, Pmts
from km3gpu.detector.quaternions import from_vectors, rotate

__all__ = ["AXES", "N_PMTS", "turned"]

N_PMTS = 31

# Axes by channel, in the module's own frame: the map of Jpp's JKM3NeT_t
# (JDetectorSupportkit.hh), the same as in the DETX of simulated modules.
_ROUNDED = np.array([
    (0.000, -0.832, 0.555), (-0.955, 0.000, 0.295), (-0.478, -0.827, 0.295), (0.478, -0.827, 0.295),
    (0.720, -0.416, 0.555), (-0.720, -0.416, 0.555), (0.955, 0.000, 0.295), (-0.720, 0.416, 0.555),
    (0.720, 0.416, 0.555), (0.000, 0.832, 0.555), (0.478, 0.827, 0.295), (-0.478, 0.827, 0.295),
    (0.000, 0.955, -0.295), (0.416, 0.720, -0.555), (0.000, 0.527, -0.850), (0.827, 0.478, -0.295),
    (-0.827, 0.478, -0.295), (-0.416, 0.720, -0.555), (-0.456, 0.263, -0.850), (0.456, 0.263, -0.850),
    (-0.832, 0.000, -0.555), (0.832, 0.000, -0.555), (0.000, 0.000, -1.000), (0.827, -0.478, -0.295),
    (0.000, -0.527, -0.850), (0.456, -0.263, -0.850), (-0.456, -0.263, -0.850), (-0.827, -0.478, -0.295),
    (-0.416, -0.720, -0.555), (0.416, -0.720, -0.555), (0.000, -0.955, -0.295),
])  # fmt: skip
AXES = _ROUNDED / np.linalg.norm(_ROUNDED, axis=1, keepdims=True)
AXES.flags.writeable = False

_TOLERANCE = np.radians(3.0)  # rounded axes agree to 0.1 degrees; neighbours are 30 degrees apart
_UPPER = np.flatnonzero(AXES[:, 2] > 0.0)
_ENOUGH = 8  # of the 12 axes of the upper half


def turned(modules: Modules, pmts: Pmts) -> tuple[np.ndarray, np.ndarray]:
    """Find how the description has turned each module against its own frame.

    Parameters
    ----------
    modules : Modules
        n modules.
    pmts : Pmts
        Their PMTs.

    Returns
    -------
    quaternion : (n, 4) float64 array
        The rotation that takes `AXES` closest to the axes of the module's PMTs.
        Some modules were assembled with cables swapped, a ring shifted or the
        lower half turned, and the description knows.  There the upper half
        counts, which carries the compass, without the PMTs that are elsewhere.
        NaN where the axes are none of a module of KM3NeT.
    residual : (n,) float64 array
        Largest angle [rad] between an axis and its counterpart in `AXES`; NaN
        where the module does not have 31 PMTs.
    """
    n = len(modules)
    quaternion, residual = np.full((n, 4), np.nan), np.full(n, np.nan)
    full = np.flatnonzero(modules.n_pmts == N_PMTS)
    if not len(full):
        return quaternion, residual
    rows = modules.first_row[full][:, None] + np.arange(N_PMTS)
    axes = pmts.dir[rows]
    norm = np.linalg.norm(axes, axis=-1, keepdims=True)
    axes = axes / np.where(norm > 0.0, norm, 1.0)
    quaternion[full], residual[full] = from_vectors(AXES, axes)
    for i, k in enumerate(full):
        if not residual[k] < _TOLERANCE:
            quaternion[k] = _of_upper_half(axes[i])
    return quaternion, residual


def _of_upper_half(axes: np.ndarray) -> np.ndarray:
    """Fit the rotation to the PMTs of the upper half that are where they belong."""
    used = _UPPER
    while len(used) >= _ENOUGH:
        q, residual = from_vectors(AXES[used], axes[used])
        if residual < _TOLERANCE:
            return q
        cosine = (rotate(q, AXES[used]) * axes[used]).sum(axis=-1)
        used = np.delete(used, np.argmin(cosine))
    return np.full(4, np.nan)
