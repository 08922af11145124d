"""Rates of PMTs: all of them at once, how they spread, and where the busy modules are."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from km3gpu.errors import FormatError
from km3gpu.plot.module_map import bulk, draw_modules, placed, words
from km3gpu.plot.style import COLOURS, RC, TIME_MAP
from km3gpu.table import Table

__all__ = ["rate_map"]

# PMTs near bioluminescence count hundreds of times what the others do: from this
# ratio on the scales are logarithmic
_FAR_APART = 20.0


def rate_map(rates: Table, title: str = "rates of PMTs") -> Figure:
    """Draw the rates of PMTs.

    Above, every PMT by module and channel; PMTs without a rate are grey.
    Below, how many PMTs have which rate, and the mean of each module by string
    and floor, or in order of the modules where the table has no places.

    Parameters
    ----------
    rates : Table
        From `km3gpu.stages.pmt_rates`.
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
    channels = int(rates.flat("channel_id").max()) + 1
    grid = rates.flat("rate").reshape(-1, channels) / 1e3
    what = "rate [kHz]" if rates.attrs.get("from") == "rates" else "rate of stored hits [kHz]"
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 7.8))
        panels = figure.add_gridspec(2, 2, width_ratios=(1, 1.7), height_ratios=(1.15, 1))
        panels.update(left=0.065, right=0.955, top=0.86, bottom=0.095, hspace=0.3, wspace=0.16)
        _every_pmt(figure.add_subplot(panels[0, :]), rates, grid, channels, what)
        _spread(figure.add_subplot(panels[1, 0]), grid, what)
        beside = figure.add_subplot(panels[1, 1])
        live = (grid > 0).sum(axis=1)
        mean = np.where(live > 0, grid.sum(axis=1) / np.maximum(live, 1), np.nan)
        if placed(rates):
            du, floor = (rates.flat(c)[::channels] for c in ("du", "floor"))
            draw_modules(beside, du, floor, mean, f"mean {what}")
        else:
            _in_order(beside, mean, rates.flat("hrv").reshape(-1, channels), what)
        words(figure, title, _said(rates, grid))
    return figure


def _every_pmt(axes: Axes, rates: Table, grid: np.ndarray, channels: int, what: str) -> None:
    shown = np.where(grid > 0, grid, np.nan).T
    low, high = bulk(grid[grid > 0])
    axes.set_facecolor(COLOURS["rule"])
    scaled = LogNorm if _far_apart(low, high) else Normalize
    squares = axes.pcolormesh(
        np.arange(len(grid) + 1), np.arange(channels + 1) - 0.5, shown, cmap=TIME_MAP,
        norm=scaled(low, high), rasterized=True,
    )  # fmt: skip
    axes.grid(False)
    axes.set_ylabel("channel")
    axes.set_yticks(range(0, channels, 5))
    if placed(rates):
        du = rates.flat("du")[::channels]
        edges = np.flatnonzero(np.diff(du)) + 1
        for edge in edges:
            axes.axvline(float(edge), color="white", lw=1.2)
        bounds = np.concatenate(([0], edges, [len(du)]))
        every = 1 + (len(bounds) - 2) // 30
        middle = ((bounds[:-1] + bounds[1:]) / 2)[::every]
        names = [str(d) if d >= 0 else "?" for d in du[bounds[:-1]][::every]]
        axes.set_xticks(middle, names, fontsize=7.5)
        axes.set_xlabel("modules by string and floor")
    else:
        axes.set_xlabel("modules by identifier")
    scale = axes.figure.colorbar(squares, ax=axes, extend="both", pad=0.01, fraction=0.03)
    scale.set_label(what, fontsize=8.5)
    scale.outline.set_visible(False)


def _spread(axes: Axes, grid: np.ndarray, what: str) -> None:
    good = grid[grid > 0]
    low, high = bulk(good)
    if _far_apart(low, high):
        edges = np.geomspace(low / 2, 2 * high, 61)
        axes.set_xscale("log")
    else:
        pad = 0.25 * (high - low)
        edges = np.linspace(max(low - pad, 0.0), high + pad, 61)
    axes.hist(good.clip(edges[0], edges[-1]), bins=list(edges), color=COLOURS["bars"])
    if len(good):
        middle = float(np.median(good))
        axes.axvline(middle, color=COLOURS["track"], lw=1.3)
        axes.text(
            middle, 1.0, f" median {middle:.3g} kHz", transform=axes.get_xaxis_transform(), va="top",
            fontsize=8.5, color=COLOURS["track"],
        )  # fmt: skip
    axes.set_xlabel(f"{what}, the ends hold what is beyond")
    axes.set_ylabel("PMTs")


def _in_order(axes: Axes, mean: np.ndarray, hrv: np.ndarray, what: str) -> None:
    axes.plot(mean, ".", ms=3.5, color=COLOURS["bars"])
    vetoed = np.flatnonzero(hrv.any(axis=1))
    if len(vetoed):
        axes.plot(
            vetoed, mean[vetoed], "o", ms=5, mfc="none", mec=COLOURS["track"], mew=0.8,
            label="a PMT with high-rate veto",
        )  # fmt: skip
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.0)
    counted = mean[mean > 0]
    if len(counted) and _far_apart(float(counted.min()), float(counted.max())):
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, None)
    axes.set_xlabel("modules by identifier")
    axes.set_ylabel(f"mean {what}")


def _far_apart(low: float, high: float) -> bool:
    return low > 0 and high > _FAR_APART * low


def _said(rates: Table, grid: np.ndarray) -> str:
    silent, frames = int((grid == 0).sum()), int(rates.flat("n_frames").max())
    parts = [
        f"{len(grid):,} modules", f"{grid.size - silent:,} PMTs with a rate", f"{silent:,} without",
        f"high-rate veto {100 * float(rates.flat('hrv').mean()):.2g} % of the time",
        f"up to {frames:,} frames each" if frames > 1 else "one frame each",
    ]  # fmt: skip
    return " · ".join(parts)
