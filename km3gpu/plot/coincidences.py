"""Rates of coincidences: how they fall with the number of PMTs, and where they differ."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from km3gpu.errors import FormatError
from km3gpu.plot.module_map import draw_modules, words
from km3gpu.plot.style import COLOURS, RC
from km3gpu.table import Table
from km3gpu.trigger.background import Background

__all__ = ["coincidence_map"]


def coincidence_map(rates: Table, title: str = "coincidences on modules") -> Figure:
    """Draw the rates of coincidences.

    To the left, the rate per module by the number of distinct PMTs: the median
    of the modules, the middle 80 %, and the rates of 40K that simulations take.
    To the right, the rate of coincidences of two PMTs and of more, by string and floor.

    Parameters
    ----------
    rates : Table
        From `km3gpu.stages.coincidence_rates`.
    title : str
        The title.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with its ``savefig``.

    Raises
    ------
    FormatError
        The table is empty.
    """
    if not len(rates):
        raise FormatError("nothing to draw: no module sent a frame")
    most = int(rates.flat("multiplicity").max())
    grid = rates.flat("rate").reshape(-1, most)
    du, floor = (rates.flat(c)[::most] for c in ("du", "floor"))
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 6.6))
        panels = figure.add_gridspec(2, 2, width_ratios=(1, 1.35))
        panels.update(left=0.075, right=0.935, top=0.84, bottom=0.115, hspace=0.38, wspace=0.17)
        _fall(figure.add_subplot(panels[:, 0]), grid)
        for row, (values, name) in enumerate(
            ((grid[:, 1], "of two PMTs"), (grid[:, 2:].sum(axis=1), "of three PMTs or more"))
        ):
            axes = figure.add_subplot(panels[row, 1])
            draw_modules(axes, du, floor, values, "rate [Hz]")
            axes.set_title(name, loc="left", fontsize=9.5, color=COLOURS["quiet"])
            if row == 0:
                axes.set_xlabel("")
        seconds = 0.1 * float(rates.flat("n_frames").max())
        below = f"{len(grid):,} modules · {rates.flat('count').sum():,} coincidences · {seconds:.3g} s"
        words(figure, title, f"{below} · window {float(rates.attrs['window']):g} ns")
    return figure


def _fall(axes: Axes, grid: np.ndarray) -> None:
    m = np.arange(1, grid.shape[1] + 1)
    low, middle, high = np.quantile(grid, (0.1, 0.5, 0.9), axis=0)
    least = 0.3 * grid[grid > 0].min() if (grid > 0).any() else 0.1
    axes.fill_between(
        m, low.clip(least), high.clip(least), color=COLOURS["bars"], alpha=0.25, linewidths=0,
        label="middle 80 % of the modules",
    )  # fmt: skip
    seen = middle > 0
    axes.plot(m[seen], middle[seen], "o-", color=COLOURS["bars"], ms=5, lw=1.3, label="median")
    mean = grid.mean(axis=0)
    axes.plot(m[mean > 0], mean[mean > 0], "D", color=COLOURS["ink"], ms=3.5, label="mean")
    folds = Background().folds_hz
    axes.plot(
        np.arange(2, 2 + len(folds)), folds, "x", color=COLOURS["track"], ms=8, mew=1.6,
        label="40K alone, as simulations take it",
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(least, None)
    axes.set_xticks(m, [*(str(k) for k in m[:-1]), f"{m[-1]}+"])
    axes.set_xlabel("distinct PMTs of a coincidence")
    axes.set_ylabel("rate per module [Hz]")
    axes.legend(loc="upper right")
