"""The one style of all pictures: colours that colour-blind people tell apart, quiet axes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

__all__ = ["COLOURS", "RC", "TIME_MAP"]

# vermillion and blue of Okabe and Ito's palette; the greys differ in lightness
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "ink": "#20242b",
        "quiet": "#6d7480",
        "rule": "#d9dde3",
        "string": "#dfe3e8",
        "snapshot": "#a9b0bb",
        "track": "#d55e00",
        "expected": "#0072b2",
        "bars": "#4c6a92",
    }
)
# viridis without its last, lightest yellows, which vanish on white
TIME_MAP = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.93, 256)), "km3gpu_time")

RC: Mapping[str, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": COLOURS["quiet"],
        "axes.grid": True,
        "axes.labelcolor": COLOURS["ink"],
        "axes.labelsize": 9.5,
        "axes.linewidth": 0.7,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "figure.facecolor": "white",
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "grid.color": "#eef0f3",
        "grid.linewidth": 0.6,
        "legend.fontsize": 8.5,
        "legend.frameon": False,
        "savefig.dpi": 150,
        "text.color": COLOURS["ink"],
        "xtick.color": COLOURS["quiet"],
        "xtick.labelcolor": COLOURS["ink"],
        "xtick.labelsize": 8.5,
        "ytick.color": COLOURS["quiet"],
        "ytick.labelcolor": COLOURS["ink"],
        "ytick.labelsize": 8.5,
    }
)
