"""Histograms of runs: side by side, or laid over each other to be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.histogram_values import Binned
from km3gpu.plot.module_map import words
from km3gpu.plot.style import COLOURS, RC, TIME_MAP

__all__ = ["histogram_panels"]

_TURN = ("bars", "track", "expected", "quiet", "ink")
_COLUMNS = 3
_SHOWN = 12


def histogram_panels(
    runs: Mapping[str, Mapping[str, Binned]],
    names: Sequence[str] = (),
    log: bool = False,
    density: bool = False,
    title: str = "histograms",
) -> Figure:
    """Draw histograms, those of one name and the same bins of several runs in one panel.

    Parameters
    ----------
    runs : mapping of str to mapping
        By the name of a run, which is written beside its line: what
        `km3gpu.io.histogram_values.open_histograms` gave.
    names : sequence of str
        Histograms to draw; all by default, at most twelve.
    log : bool
        Logarithmic scale of the contents.
    density : bool
        Scale each to an area of one, to compare shapes.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        No run has a histogram of that name.
    FormatError
        There is none at all.
    """
    known = list(dict.fromkeys(name for found in runs.values() for name in found))
    for name in names:
        if name not in known:
            raise UnknownNameError.of("histogram", name, known)
    chosen = list(names) or known[:_SHOWN]
    if not chosen:
        raise FormatError("nothing to draw: there are no histograms")
    panels = [panel for name in chosen for panel in _alike(runs, name)]
    wide = min(len(panels), _COLUMNS)
    high = -(-len(panels) // wide)
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(1.2 + 4.4 * max(wide, 1.6), 1.3 + 3.3 * high))
        grid = figure.add_gridspec(high, wide)
        top, bottom = 1 - 1.0 / figure.get_figheight(), 0.65 / figure.get_figheight()
        grid.update(
            left=0.9 / figure.get_figwidth(), right=0.97, top=top, bottom=bottom, hspace=0.45, wspace=0.3
        )
        for k, panel in enumerate(panels):
            axes = figure.add_subplot(grid[k // wide, k % wide])
            if panel[0][1].values.ndim == 2:
                _plane(axes, panel[0], log, len(runs) > 1)
            else:
                _lines(axes, panel, log, density, len(runs) > 1)
        more = f" \u00b7 {len(known) - len(chosen)} more" if len(chosen) < len(known) and not names else ""
        words(figure, title, f"{len(chosen)} of {' and '.join(runs)}{more}")
    return figure


def _alike(runs: Mapping[str, Mapping[str, Binned]], name: str) -> list[list[tuple[str, Binned]]]:
    """Give the histograms of a name, those of the same bins together; of two dimensions each alone."""
    panels: list[list[tuple[str, Binned]]] = []
    for run, found in runs.items():
        if name not in found:
            continue
        one = found[name]
        for panel in panels if one.values.ndim == 1 else ():
            other = panel[0][1]
            if other.values.ndim == 1 and np.array_equal(other.edges[0], one.edges[0]):
                panel.append((run, one))
                break
        else:
            panels.append([(run, one)])
    return panels


def _lines(axes: Axes, panel: Sequence[tuple[str, Binned]], log: bool, density: bool, several: bool) -> None:
    first = panel[0][1]
    (edges,) = first.edges
    width = np.diff(edges)
    for colour, (run, one) in zip(_TURN * len(panel), panel, strict=False):
        scale = 1 / (one.total * width) if density and one.total else np.ones(len(width))
        values, errors = one.values * scale, np.sqrt(one.variances) * scale
        axes.stairs(
            values, edges, fill=not several, color=COLOURS[colour], alpha=None if several else 0.85,
            lw=1.2, label=f"{run}, {one.entries:,}",
        )  # fmt: skip
        here = values != 0
        middle = ((edges[1:] + edges[:-1]) / 2)[here]
        tint = COLOURS["ink"] if not several else COLOURS[colour]
        axes.errorbar(middle, values[here], errors[here], fmt="none", ecolor=tint, elinewidth=0.8)
    if log:
        axes.set_yscale("log")
    elif (first.values >= 0).all():
        axes.set_ylim(0, None)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_title(first.name, loc="left", fontsize=9.5)
    axes.set_xlabel(str(first.about.get("x", "")))
    weight = first.about.get("weight")
    axes.set_ylabel(
        "density" if density else f"sum of {weight}" if weight else f"{first.about.get('table', 'rows')}"
    )
    if several:
        axes.legend()


def _plane(axes: Axes, one: tuple[str, Binned], log: bool, several: bool) -> None:
    run, found = one
    filled = np.where(found.values == 0, np.nan, found.values)
    positive = found.values[found.values > 0]
    norm = LogNorm(positive.min(), positive.max()) if log and len(positive) else Normalize()
    mesh = axes.pcolormesh(*found.edges, np.ma.masked_invalid(filled).T, cmap=TIME_MAP, norm=norm)
    axes.figure.colorbar(mesh, ax=axes, pad=0.02)
    axes.set_title(f"{found.name} of {run}" if several else found.name, loc="left", fontsize=9.5)
    axes.set_xlabel(str(found.about.get("x", "")))
    axes.set_ylabel(str(found.about.get("y", "")))
