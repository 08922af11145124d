"""A detector in one picture: from above, from the side, and where its PMTs look."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from km3gpu._version import __version__
from km3gpu.detector import Detector
from km3gpu.errors import GeometryError
from km3gpu.plot.style import COLOURS, RC

__all__ = ["detector_map", "name_strings"]

_MANY = 60  # strings from which on their numbers are written small


def detector_map(detector: Detector) -> Figure:
    """Draw a detector: strings from above, modules by string and height, axes of the PMTs.

    Modules that hold PMTs with a status are vermillion and grow with their
    number; a ring is a module with a status of its own.

    Parameters
    ----------
    detector : Detector
        With at least one module.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with its ``savefig``.

    Raises
    ------
    GeometryError
        The detector has no modules.
    """
    if not detector.n_modules:
        raise GeometryError("nothing to draw: the detector has no modules", where=detector.path or None)
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 7.8))
        grid = figure.add_gridspec(
            2, 2, width_ratios=(1, 1.12), height_ratios=(1.5, 1), wspace=0.17, hspace=0.3
        )
        grid.update(left=0.065, right=0.98, top=0.85, bottom=0.115)
        _above(figure.add_subplot(grid[:, 0]), detector)
        side = figure.add_subplot(grid[0, 1])
        _side(side, detector)
        _axes_of_pmts(figure.add_subplot(grid[1, 1]), detector)
        handles, labels = side.get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.055, 0.915), ncols=4, columnspacing=1.4
        )
        _words(figure, detector)
    return figure


def name_strings(axes: Axes, dus: np.ndarray) -> None:
    """Write the numbers of strings at 0, 1, 2, ... of the x axis, as many as there is room for."""
    every = 1 if len(dus) <= 34 else 1 + (len(dus) - 1) // 24
    axes.set_xticks(np.arange(0, len(dus), every), [str(du) for du in dus[::every]], fontsize=7.5)
    axes.set_xlim(-0.6, len(dus) - 0.4)
    axes.set_xlabel("string")


def _above(axes: Axes, detector: Detector) -> None:
    """Draw the strings from above, with their numbers."""
    strings = detector.du_table()
    x, y = strings.flat("x"), strings.flat("y")
    many = len(x) > _MANY
    axes.scatter(x, y, s=14 if many else 30, color=COLOURS["bars"], linewidths=0)
    for du, px, py in zip(strings.flat("du"), x, y, strict=True):
        axes.annotate(
            str(du),
            (px, py),
            xytext=(0, 2.5 if many else 4),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=5.5 if many else 8,
        )
    if detector.optical.any():
        axes.plot(*detector.centre[:2], "+", color=COLOURS["track"], ms=9, mew=1.2, label="centre")
        axes.legend(loc="lower right")
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.09)
    axes.set_xlabel("x (Easting) [m]")
    axes.set_ylabel("y (Northing) [m]")
    axes.set_title("strings from above", loc="left", fontsize=9.5, color=COLOURS["quiet"])


def _side(axes: Axes, detector: Detector) -> None:
    """Draw every module by its string and height, by what is said of it and its PMTs."""
    m = detector.modules
    at, z = np.searchsorted(detector.dus, m.du), m.pos[:, 2]
    marked = _marked_pmts(detector)
    optical = detector.optical
    good, some = optical & (marked == 0), marked > 0
    size = 4 if len(detector.dus) > _MANY else 13
    axes.scatter(at[good], z[good], s=size, color=COLOURS["bars"], linewidths=0, label="module")
    if some.any():
        axes.scatter(
            at[some],
            z[some],
            s=size + 2.0 * marked[some].clip(0, 31),
            color=COLOURS["track"],
            linewidths=0,
            label=f"with PMTs that have a status ({int(marked[some].min())} to {int(marked[some].max())})",
        )
    if not optical.all():
        axes.scatter(
            at[~optical],
            z[~optical],
            s=16,
            marker="s",
            facecolors="none",
            edgecolors=COLOURS["quiet"],
            linewidths=0.9,
            label="module without PMTs",
        )
    own = m.status != 0
    if own.any():
        axes.scatter(
            at[own],
            z[own],
            s=62,
            facecolors="none",
            edgecolors=COLOURS["ink"],
            linewidths=0.9,
            label="with a status of its own",
        )
    name_strings(axes, detector.dus)
    axes.set_ylabel("z [m]")
    axes.set_title("modules by string and height", loc="left", fontsize=9.5, color=COLOURS["quiet"])


def _axes_of_pmts(axes: Axes, detector: Detector) -> None:
    """Count PMTs by the elevation of their axis; up is up."""
    d, marked = detector.pmts.dir, detector.pmts.status != 0
    elevation = np.degrees(np.arctan2(d[:, 2], np.hypot(d[:, 0], d[:, 1])))
    edges = np.linspace(-90, 90, 61).tolist()
    groups = [elevation[~marked], elevation[marked]]
    axes.hist(
        groups,
        bins=edges,
        orientation="horizontal",
        stacked=True,
        color=[COLOURS["bars"], COLOURS["track"]],
    )
    axes.axhline(0.0, color=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3)))
    n_up, n_down = (elevation > 0).sum(), (elevation < 0).sum()
    for y, align, words in ((0.97, "top", f"{n_up:,} look up"), (0.055, "bottom", f"{n_down:,} look down")):
        axes.text(0.985, y, words, transform=axes.transAxes, ha="right", va=align, fontsize=8.5)
    if marked.any():
        words = f"{int(marked.sum()):,} with a status"
        axes.set_title(words, loc="right", fontsize=9.5, color=COLOURS["track"])
    axes.set_ylim(-92, 92)
    axes.set_yticks(range(-90, 91, 30))
    axes.set_ylabel("elevation of the axis [°]")
    axes.set_xlabel("PMTs per 3°")
    axes.set_title("where PMTs look", loc="left", fontsize=9.5, color=COLOURS["quiet"])


def _marked_pmts(detector: Detector) -> np.ndarray:
    """Count, for every module, its PMTs that have a status."""
    m = detector.modules
    before = np.concatenate(([0], np.cumsum(detector.pmts.status != 0)))
    return np.asarray(before[m.first_row + m.n_pmts] - before[m.first_row])


def _words(figure: Figure, detector: Detector) -> None:
    figure.text(0.065, 0.964, f"detector {detector.det_id}", fontsize=14, weight="bold")
    facts = [
        f"{len(detector.dus):,} strings",
        f"{detector.n_modules:,} modules",
        f"{detector.n_pmts:,} PMTs",
    ]
    if np.isfinite(detector.floor_distance):
        facts.append(f"floors {detector.floor_distance:.1f} m apart")
    if detector.volume:
        size = f"{detector.volume / 1e9:.3g} km³" if detector.volume > 1e6 else f"{detector.volume:,.0f} m³"
        facts.append(f"{size} instrumented")
    if (utm := detector.utm) is not None:
        facts.append(
            f"UTM {utm.zone} {utm.easting:.0f} E {utm.northing:.0f} N, z {utm.z:g} m".replace("z -", "z −")
        )
    figure.text(0.065, 0.932, " · ".join(facts), fontsize=9.5, color=COLOURS["quiet"])
    name = Path(detector.path).name or "made in memory"
    figure.text(
        0.065,
        0.02,
        f"{name}, version {detector.version} · {detector.digest} · km3gpu {__version__}",
        fontsize=7,
        color=COLOURS["quiet"],
    )
