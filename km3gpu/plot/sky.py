"""Maps of the whole sky: events, counts, sources, error regions, what a detector sees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from km3gpu import astro
from km3gpu.astro.sources import Source
from km3gpu.plot.sky_layers import (
    WORDS,
    Horizon,
    Points,
    Region,
    draw_circle,
    draw_contours,
    draw_great_circle,
    draw_legend,
    draw_points,
    frame_axes,
    host,
    lay_counts,
    shade_above,
)
from km3gpu.plot.sky_names import name_sources
from km3gpu.plot.style import RC

__all__ = ["Horizon", "Points", "Region", "sky_map"]


def sky_map(
    ra: Any = (),
    dec: Any = (),
    *,
    frame: str = "icrs",
    counts: Any = None,
    counts_nested: bool = False,
    counts_frame: str | None = None,
    counts_label: str = "events",
    credible: Sequence[float] = (),
    points: Sequence[Points] = (),
    sources: Iterable[Source] = (),
    regions: Sequence[Region] = (),
    horizon: Horizon | None = None,
    title: str = "",
) -> Figure:
    """Draw the whole sky.

    Parameters
    ----------
    ra, dec : (n,) arrays
        Events (ICRS), radians; those that are NaN are left out.
    frame : {"icrs", "galactic"}
        Axes of the picture.
    counts : (12 nside^2,) array, optional
        A HEALPix map to lay under everything.
    counts_nested : bool
        It is in nested order, else in ring order.
    counts_frame : str, optional
        Its axes; those of the picture by default.
    counts_label : str
        What its numbers are.
    credible : sequence of float
        Lines around the pixels with most, that hold these fractions of the map.
    points : sequence of Points
        More places, each group in its own colour.
    sources : iterable of Source
        Marked and named.
    regions : sequence of Region
        Circles.
    horizon : Horizon, optional
        Shades what is above it.
    title : str

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    FormatError
        `counts` is no HEALPix map.
    UnknownNameError
        No such frame or site.
    """
    ra, dec = np.ravel(host(ra)), np.ravel(host(dec))
    astro.turned((0.0, 0.0), frame)
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(10.0, 6.2))
        # without a colour bar the map may have its place
        bottom = 0.15 if counts is not None else 0.07
        axes = figure.add_axes((0.06, bottom, 0.9, 0.86 - bottom), projection="mollweide")
        frame_axes(axes, frame)
        if counts is not None:
            image = lay_counts(axes, host(counts), counts_nested, counts_frame or frame, frame)
            bar = figure.add_axes((0.36, 0.085, 0.3, 0.014))
            whole = MaxNLocator(6, integer=True) if host(counts).dtype.kind in "iu" else None
            figure.colorbar(image, cax=bar, orientation="horizontal", label=counts_label, ticks=whole)
            bar.tick_params(length=2)
            draw_contours(axes, host(counts), counts_nested, counts_frame or frame, frame, credible)
        if horizon is not None:
            shade_above(axes, horizon, frame)
        draw_great_circle(axes, frame)
        n = int((np.isfinite(ra) & np.isfinite(dec)).sum())
        for group in (Points(ra, dec, f"{n:,} events"), *points):
            draw_points(axes, group, frame)
        for region in regions:
            draw_circle(axes, region, frame)
        name_sources(axes, list(sources), frame)
        draw_legend(figure, axes)
        figure.text(0.06, 0.945, title or f"The sky, {WORDS[frame][2]}", fontsize=14, weight="bold")
    return figure
