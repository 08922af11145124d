"""Quantities of modules by string and floor, and the words around a picture of them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from km3gpu._version import __version__
from km3gpu.plot.detector import name_strings
from km3gpu.plot.style import COLOURS, TIME_MAP
from km3gpu.table import Table

__all__ = ["bulk", "draw_modules", "placed", "words"]


def placed(table: Table) -> bool:
    """Tell whether the modules of a table have a string and a floor."""
    return "du" in table and bool((np.asarray(table.flat("du")) >= 0).any())


def bulk(values: np.ndarray) -> tuple[float, float]:
    """Give a range that holds all but a hundredth at either end, never empty."""
    good = values[np.isfinite(values)]
    if not len(good):
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(good, (0.01, 0.99)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def draw_modules(axes: Axes, du: np.ndarray, floor: np.ndarray, values: np.ndarray, label: str) -> None:
    """Colour every place of a detector by the value of its module."""
    known = du >= 0
    dus, column = np.unique(du[known], return_inverse=True)
    floors, row = np.unique(floor[known], return_inverse=True)
    grid = np.full((len(floors), len(dus)), np.nan)
    grid[row, column] = values[known]
    low, high = bulk(values)
    squares = axes.pcolormesh(
        np.arange(len(dus)), np.arange(len(floors)), grid, shading="nearest", cmap=TIME_MAP,
        norm=Normalize(low, high), edgecolors="white", linewidths=0.6,
    )  # fmt: skip
    name_strings(axes, dus)
    every = 1 + (len(floors) - 1) // 20
    axes.set_yticks(np.arange(0, len(floors), every), [str(f) for f in floors[::every]], fontsize=7.5)
    axes.set_ylabel("floor")
    axes.grid(False)
    over, under = bool((grid > high).any()), bool((grid < low).any())
    beyond = {(True, True): "both", (True, False): "max", (False, True): "min"}.get((over, under), "neither")
    scale = axes.figure.colorbar(squares, ax=axes, extend=beyond, pad=0.015, fraction=0.05)
    scale.set_label(label, fontsize=8.5)
    scale.outline.set_visible(False)


def words(figure: Figure, title: str, below: str) -> None:
    """Write the title, what stands below it, and the version."""
    figure.text(0.065, 0.955, title, fontsize=14, weight="bold")
    figure.text(0.065, 0.918, below, fontsize=9.5, color=COLOURS["quiet"])
    figure.text(0.065, 0.018, f"km3gpu {__version__}", fontsize=7, color=COLOURS["quiet"])
