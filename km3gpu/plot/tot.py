"""Time over threshold: of all hits, and module by module."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from km3gpu.errors import FormatError
from km3gpu.plot.module_map import draw_modules, placed, words
from km3gpu.plot.style import COLOURS, RC, TIME_MAP
from km3gpu.table import Table

__all__ = ["tot_map"]


def tot_map(found: Table, title: str = "time over threshold") -> Figure:
    """Draw distributions of time over threshold.

    Above, that of all hits.  Below, those of modules side by side, each by the
    share of its hits, and the mean by string and floor where places are known.

    Parameters
    ----------
    found : Table
        From `km3gpu.stages.tot_distributions`.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with its ``savefig``.

    Raises
    ------
    FormatError
        There are no hits.
    """
    counts = found.flat("counts")
    if not counts.sum():
        raise FormatError("nothing to draw: there are no hits")
    where = placed(found)
    n = counts.sum(axis=1)
    mean = counts @ np.arange(256) / np.maximum(n, 1)
    mean[n == 0] = np.nan
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 7.4))
        panels = figure.add_gridspec(2, 2, height_ratios=(1, 1), width_ratios=(1.15, 1))
        panels.update(left=0.075, right=0.95, top=0.855, bottom=0.1, hspace=0.3, wspace=0.27)
        _all(figure.add_subplot(panels[0, :]), counts.sum(axis=0))
        _modules(figure.add_subplot(panels[1, 0] if where else panels[1, :]), counts)
        if where:
            axes = figure.add_subplot(panels[1, 1])
            draw_modules(axes, found.flat("du"), found.flat("floor"), mean, "mean [ns]")
        total = int(counts.sum())
        facts = f"{total:,} hits · {len(counts):,} modules · mean {np.nansum(mean * n) / total:.2f} ns"
        words(figure, title, f"{facts} · {counts[:, 255].sum() / total:.2g} of all at 255 ns or more")
    return figure


def _all(axes: Axes, counts: np.ndarray) -> None:
    axes.stairs(counts, np.arange(257) - 0.5, fill=True, color=COLOURS["bars"])
    axes.set_yscale("log")
    axes.set_ylim(0.7, None)
    peak = int(counts[:255].argmax())
    axes.axvline(peak, color=COLOURS["track"], lw=1.2)
    axes.annotate(
        f"most at {peak} ns", (peak, 1.0), xycoords=axes.get_xaxis_transform(), xytext=(5, -3),
        textcoords="offset points", va="top", fontsize=8.5, color=COLOURS["track"],
    )  # fmt: skip
    axes.set_xlim(-0.5, 255.5)
    axes.set_xlabel("time over threshold [ns]")
    axes.set_ylabel("hits per ns")


def _modules(axes: Axes, counts: np.ndarray) -> None:
    share = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    top = int(np.flatnonzero(np.cumsum(counts.sum(axis=0)) >= 0.97 * counts.sum())[0])
    end = min(255, max(60, top))
    squares = axes.pcolormesh(
        np.arange(len(counts) + 1), np.arange(end + 1) - 0.5, share[:, :end].T, cmap=TIME_MAP,
        vmin=0.0, vmax=float(np.quantile(share[:, :end].max(axis=1), 0.9)), rasterized=True,
    )  # fmt: skip
    axes.grid(False)
    axes.set_xlabel("modules in order of the table")
    axes.set_ylabel("time over threshold [ns]")
    scale = axes.figure.colorbar(squares, ax=axes, extend="max", pad=0.015, fraction=0.05)
    scale.set_label("hits of the module per ns [%]", fontsize=8.5)
    scale.outline.set_visible(False)
