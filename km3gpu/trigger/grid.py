"""Directions all over the sky, about evenly spaced."""

from __future__ import annotations

import functools
import math

import numpy as np

from km3gpu.errors import ConfigError

__all__ = ["directions"]


@functools.lru_cache(maxsize=8)
def directions(spacing_deg: float) -> np.ndarray:
    """Make a grid of directions: rings of equal polar angle, each with its own number of azimuths.

    Parameters
    ----------
    spacing_deg : float
        Distance between rings, and at most between neighbours on a ring [deg].

    Returns
    -------
    (n, 3) float64 array
        Unit vectors, read-only; both poles are among them.  423 for 10 degrees.

    Raises
    ------
    ConfigError
        The spacing is below 1 degree or above 180.
    """
    if not 1.0 <= spacing_deg <= 180.0:
        raise ConfigError(f"a grid of {spacing_deg} degrees", remedy="take 1 to 180")
    spacing = math.radians(spacing_deg)
    n_rings = round(math.pi / spacing)
    rows = []
    for ring in range(n_rings + 1):
        theta = math.pi * ring / n_rings
        n = max(1, math.ceil(2.0 * math.pi * math.sin(theta) / spacing))
        phi = 2.0 * math.pi * np.arange(n) / n
        rows.append(
            np.column_stack(
                (math.sin(theta) * np.cos(phi), math.sin(theta) * np.sin(phi), np.full(n, math.cos(theta)))
            )
        )
    grid = np.concatenate(rows)
    grid.flags.writeable = False
    return grid
