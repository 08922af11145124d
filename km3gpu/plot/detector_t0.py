"""Time offsets of two detector descriptions side by side."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from km3gpu._version import __version__
from km3gpu.detector import Detector
from km3gpu.detector.difference import Difference
from km3gpu.errors import GeometryError
from km3gpu.plot.detector import name_strings
from km3gpu.plot.style import COLOURS, RC
from km3gpu.table import Table

__all__ = ["t0_differences"]

# from earlier (blue) over none to later (vermillion)
_EARLY_LATE = LinearSegmentedColormap.from_list(
    "km3gpu_early_late", (COLOURS["expected"], "#eceef1", COLOURS["track"])
)
_WIDE = 6.0  # widths (scaled median absolute deviation) around the median that are shown
_PICOSECOND = 1e-3


def t0_differences(a: Detector, b: Detector) -> Figure:
    """Draw by how much the time offsets of `b` are later than those of `a`.

    PMTs are matched by module and channel and placed by string and floor of
    `a`.  The range is that of the bulk, the median plus and minus 6 times the
    scaled median absolute deviation; triangles at its ends are PMTs beyond it,
    which the histogram counts in words.

    Parameters
    ----------
    a, b : Detector
        With PMTs in common.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with its ``savefig``.

    Raises
    ------
    GeometryError
        They have no PMT in common.
    """
    found = a.diff(b)
    pmts = found.pmts
    if not len(pmts):
        raise GeometryError(
            f"no PMT in common: detectors {a.det_id} and {b.det_id} share no module that has PMTs",
            where=", ".join(d.path for d in (a, b) if d.path) or None,
            remedy="compare two descriptions of one detector",
        )
    window = _window(pmts.flat("dt0"))
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 7.8))
        grid = figure.add_gridspec(2, 2, width_ratios=(3.2, 1), wspace=0.04, hspace=0.27)
        grid.update(left=0.065, right=0.98, top=0.87, bottom=0.105)
        by_pmt = figure.add_subplot(grid[1, 0])
        _by_pmt(by_pmt, pmts, window)
        _histogram(figure.add_subplot(grid[1, 1], sharey=by_pmt), pmts, window)
        by_module, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
        _by_module(by_module, beside.inset_axes((0.0, 0.0, 0.06, 1.0)), pmts, window)
        _facts(beside, found)
        _words(figure, a, b)
    return figure


def _window(dt0: np.ndarray) -> tuple[float, float]:
    """Give the range that holds the bulk, no wider than the data, and never empty."""
    middle = float(np.median(dt0))
    width = _WIDE * 1.4826 * float(np.median(np.abs(dt0 - middle)))
    if width < _PICOSECOND:  # more than half are equal: the rest is what is to be seen
        width = float(np.abs(dt0 - middle).max()) or 1.0
    low, high = max(middle - width, float(dt0.min())), min(middle + width, float(dt0.max()))
    return (low, high) if high > low else (middle - width, middle + width)


def _by_module(axes: Axes, bar: Axes, pmts: Table, window: tuple[float, float]) -> None:
    """Colour every place by the median over its PMTs, less that over all."""
    dt0 = pmts.flat("dt0")
    middle = float(np.median(dt0))
    dus, column = np.unique(pmts.flat("du"), return_inverse=True)
    floors, row = np.unique(pmts.flat("floor"), return_inverse=True)
    medians = np.full((len(floors), len(dus)), np.nan)
    place = row * len(dus) + column
    order = np.argsort(place, kind="stable")
    places, first = np.unique(place[order], return_index=True)
    medians.flat[places] = [np.median(part) - middle for part in np.split(dt0[order], first[1:])]
    inside = max(window[1] - middle, middle - window[0])
    squares = axes.pcolormesh(
        np.arange(len(dus)),
        np.arange(len(floors)),
        medians,
        shading="nearest",
        cmap=_EARLY_LATE,
        norm=Normalize(-inside, inside),
        edgecolors="white",
        linewidths=0.8,
    )
    name_strings(axes, dus)
    every = 1 + (len(floors) - 1) // 20
    axes.set_yticks(np.arange(0, len(floors), every), [str(floor) for floor in floors[::every]], fontsize=7.5)
    axes.grid(False)
    axes.set_ylabel("floor")
    axes.set_title("modules: median of their PMTs", loc="left", fontsize=9.5, color=COLOURS["quiet"])
    beyond = "both" if (np.abs(medians) > inside).any() else "neither"
    scale = axes.figure.colorbar(squares, cax=bar, extend=beyond)
    scale.set_label("difference less the median of all [ns]", fontsize=8.5)
    scale.outline.set_visible(False)


def _by_pmt(axes: Axes, pmts: Table, window: tuple[float, float]) -> None:
    """Draw every PMT, string by string, and within a string by floor and channel."""
    dt0, du = pmts.flat("dt0"), pmts.flat("du")
    order = np.lexsort((pmts.flat("channel_id"), pmts.flat("floor"), du))
    dus, at, n = np.unique(du, return_inverse=True, return_counts=True)
    place = np.empty(len(dt0))
    within = np.arange(len(dt0)) - np.repeat(np.cumsum(n) - n, n)
    place[order] = at[order] - 0.42 + 0.84 * (within + 0.5) / np.repeat(n, n)
    low, high = window
    inside = (dt0 >= low) & (dt0 <= high)
    axes.vlines(np.arange(len(dus) - 1) + 0.5, 0, 1, transform=axes.get_xaxis_transform(),
                color=COLOURS["rule"], lw=0.6, zorder=0)  # fmt: skip
    axes.axhline(float(np.median(dt0)), color=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3)))
    axes.scatter(place[inside], dt0[inside], s=3.5, color=COLOURS["bars"], alpha=0.7, linewidths=0)
    for out, edge, marker in ((dt0 < low, low, "v"), (dt0 > high, high, "^")):
        axes.scatter(
            place[out], np.full(out.sum(), edge), s=13, marker=marker, color=COLOURS["track"],
            linewidths=0, clip_on=False, zorder=3,
        )  # fmt: skip
    name_strings(axes, dus)
    axes.grid(False, axis="x")
    axes.set_ylabel("difference of $t_0$, B less A [ns]")
    axes.set_title("PMTs: by string, floor and channel", loc="left", fontsize=9.5, color=COLOURS["quiet"])


def _histogram(axes: Axes, pmts: Table, window: tuple[float, float]) -> None:
    """Count PMTs by their difference, beside the panel that shows each."""
    dt0 = pmts.flat("dt0")
    axes.hist(dt0, bins=np.linspace(*window, 81).tolist(), orientation="horizontal", color=COLOURS["bars"])
    axes.axhline(float(np.median(dt0)), color=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3)))
    for n, y, way in (((dt0 > window[1]).sum(), 0.97, "above"), ((dt0 < window[0]).sum(), 0.03, "below")):
        if n:
            axes.text(
                0.97, y, f"{n:,} {way}", transform=axes.transAxes, ha="right", color=COLOURS["track"],
                va="top" if way == "above" else "bottom", fontsize=8.5,
            )  # fmt: skip
    axes.tick_params(labelleft=False)
    axes.set_xlabel("PMTs")


def _facts(axes: Axes, found: Difference) -> None:
    """Write the figures of the comparison beside the scale of colours."""
    axes.set_axis_off()
    dt0, s = found.pmts.flat("dt0"), found.summary()
    low, middle, high = np.quantile(dt0, (0.16, 0.5, 0.84))
    rows = (
        ("PMTs in both", f"{len(dt0):,}"),
        ("that differ", f"{np.count_nonzero(dt0):,}"),
        ("modules in A only", f"{s['modules_only_a']:,}"),
        ("modules in B only", f"{s['modules_only_b']:,}"),
        ("at another place", f"{s['modules_at_another_place']:,}"),
        ("smallest", f"{_ns(dt0.min())} ns"),
        ("16 %", f"{_ns(low)} ns"),
        ("median", f"{_ns(middle)} ns"),
        ("84 %", f"{_ns(high)} ns"),
        ("largest", f"{_ns(dt0.max())} ns"),
    )
    for i, (name, value) in enumerate(rows):
        y = 0.96 - 0.085 * i - (0.05 if i > 4 else 0.0)
        axes.text(0.42, y, name, color=COLOURS["quiet"], fontsize=8.5, va="center")
        axes.text(1.0, y, value, fontsize=8.5, ha="right", va="center")


def _words(figure: Figure, a: Detector, b: Detector) -> None:
    ids = f"detector {a.det_id}" if a.det_id == b.det_id else f"detectors {a.det_id} and {b.det_id}"
    figure.text(0.065, 0.964, f"time offsets of {ids}, B less A", fontsize=14, weight="bold")
    names = (f"{word}: {Path(d.path).name or 'made in memory'}" for word, d in (("A", a), ("B", b)))
    figure.text(0.065, 0.932, " · ".join(names), fontsize=9.5, color=COLOURS["quiet"])
    digests = (f"{word} {d.digest}" for word, d in (("A", a), ("B", b)))
    figure.text(
        0.065, 0.02, " · ".join((*digests, f"km3gpu {__version__}")), fontsize=7, color=COLOURS["quiet"]
    )


def _ns(value: float) -> str:
    """Write nanoseconds with a true minus sign, to the picosecond."""
    return f"{value + 0.0:.3f}".replace("-", "\N{MINUS SIGN}")
