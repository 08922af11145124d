"""Curves and small maps of the sky: visibility over a day and by declination, and the Sun's shadow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from km3gpu import astro
from km3gpu.astro.sources import Source
from km3gpu.astro.visibility import UPGOING, Livetime, visibility
from km3gpu.errors import ConfigError
from km3gpu.plot.sky_layers import COUNT_MAP, host
from km3gpu.plot.style import COLOURS, RC

__all__ = ["shadow_map", "visibility_curves"]

_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_DAY_NS = 86_400_000_000_000


def visibility_curves(
    sources: Sequence[Source],
    site: astro.Site | str,
    time: Any,
    zenith: tuple[float, float] = UPGOING,
    livetime: Livetime | None = None,
) -> Figure:
    """Draw the zenith angle of sources over a day, and how long every declination is in view.

    Parameters
    ----------
    sources : sequence of Source
        At most seven.
    site : Site or str
    time : int, datetime64 or astropy Time
        Where the day begins.
    zenith : (float, float)
        Range of zenith angles that counts as in view, radians.
    livetime : Livetime, optional
        Mark the sources at their fraction of it, not of a sidereal day.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        More sources than there are colours.
    """
    if len(sources) > len(_LINES):
        raise ConfigError(
            f"{len(sources)} curves are too many to tell apart", remedy=f"take {len(_LINES)} at most"
        )
    place = astro.site(site)
    start = int(astro.utc_ns(time))
    hours = np.linspace(0.0, 24.0, 577)
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(10.4, 4.6))
        day = figure.add_axes((0.07, 0.14, 0.52, 0.68))
        _band(day, zenith)
        for source, colour in zip(sources, _LINES, strict=False):
            ns = start + (hours / 24.0 * _DAY_NS).astype(np.int64)
            dz = astro.icrs_to_local(ns, source.ra, source.dec, place)[2]
            day.plot(
                hours,
                np.degrees(np.pi - np.arccos(np.clip(dz, -1, 1))),
                color=colour,
                lw=1.6,
                label=source.name,
            )
        _sun(day, hours, start, place)
        day.set(xlim=(0, 24), ylim=(180, 0), xticks=range(0, 25, 3), yticks=range(0, 181, 30))
        day.set_xlabel(f"hours after {np.datetime64(start, 'ns').astype('M8[m]')} UTC")
        day.set_ylabel("zenith angle [deg]")
        day.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=5, columnspacing=1.2)

        by = figure.add_axes((0.67, 0.14, 0.31, 0.68))
        declination = np.linspace(-90.0, 90.0, 721)
        by.plot(declination, visibility(np.radians(declination), place, zenith), color=COLOURS["ink"], lw=1.4)
        for source, colour in zip(sources, _LINES, strict=False):
            fraction = (
                visibility(source.dec, place, zenith)
                if livetime is None
                else livetime.in_view(source.ra, source.dec, place, zenith) / livetime.total
            )
            by.plot([math.degrees(source.dec)], [fraction], "o", ms=6, color=colour, mec="white", mew=0.7)
        by.set(xlim=(-90, 90), ylim=(-0.02, 1.02), xticks=range(-90, 91, 30))
        by.set_xlabel("declination [deg]")
        by.set_ylabel("in view, fraction of the time")
        if livetime is not None:
            by.plot([], [], color=COLOURS["ink"], lw=1.4, label="a sidereal day")
            days = f"{livetime.total / 86_400:.4g} days of livetime"
            by.plot([], [], "o", ms=6, color=COLOURS["quiet"], label=days)
            by.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2, columnspacing=1.2)
        low, high = (math.degrees(a) for a in zenith)
        figure.text(0.07, 0.935, f"In view of {place.name.upper()}: zenith {low:.4g}° to {high:.4g}°",
                    fontsize=14, weight="bold")  # fmt: skip
    return figure


def shadow_map(right: Any, up: Any, body: str = "sun", radius: float | None = None, bins: int = 40) -> Figure:
    """Draw events around the Sun or the Moon: where they are, and their density by distance.

    Parameters
    ----------
    right, up : (n,) arrays
        Offsets from the centre, radians, as `km3gpu.astro.separation.shadow` gives them.
    body : {"sun", "moon"}
        For the words; the disc drawn is half a degree wide.
    radius : float, optional
        How far the events were taken, radians; the farthest event by default.
    bins : int
        Of the map, along a side.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ConfigError
        There are no events.
    """
    x, y = (np.degrees(np.ravel(host(a))) for a in (right, up))
    if len(x) == 0:
        raise ConfigError(f"no event near the {body} to draw", remedy="take a larger radius")
    distance = np.hypot(x, y)
    reach = float(np.degrees(radius)) if radius is not None else float(distance.max())
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(10.0, 4.8))
        plane = figure.add_axes((0.07, 0.13, 0.38, 0.72))
        edges = np.linspace(-reach, reach, bins + 1)
        counts, _, _ = np.histogram2d(y, x, (edges, edges))
        image = plane.pcolormesh(edges, edges, counts, cmap=COUNT_MAP, rasterized=True)
        plane.add_patch(Circle((0, 0), 0.26, fill=False, ec=COLOURS["track"], lw=1.4))
        plane.add_patch(Circle((0, 0), reach, fill=False, ec=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3))))
        plane.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
        plane.set_xlabel("along the horizon [deg]")
        plane.set_ylabel("upwards [deg]")
        bar = figure.add_axes((0.465, 0.13, 0.012, 0.72))
        figure.colorbar(image, cax=bar, label="events")

        ring = figure.add_axes((0.62, 0.13, 0.36, 0.72))
        edge = np.linspace(0.0, reach, 21)
        found, _ = np.histogram(distance, edge)
        area = np.pi * (edge[1:] ** 2 - edge[:-1] ** 2)
        middle = (edge[1:] + edge[:-1]) / 2
        ring.errorbar(
            middle, found / area, np.sqrt(found) / area, fmt="o", ms=4, lw=1.0, color=COLOURS["bars"]
        )
        outer = found[middle > reach / 2].sum() / area[middle > reach / 2].sum()
        ring.axhline(outer, color=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3)), label="mean of the outer half")
        ring.axvline(0.26, color=COLOURS["track"], lw=1.0, label="edge of the disc")
        ring.set(xlim=(0, reach), ylim=(0, None))
        ring.set_xlabel(f"distance from the {body.capitalize()} [deg]")
        ring.set_ylabel("events per square degree")
        ring.legend(loc="lower right")
        figure.text(
            0.07, 0.93, f"{len(x):,} events around the {body.capitalize()}", fontsize=14, weight="bold"
        )
    return figure


def _band(axes: Axes, zenith: tuple[float, float]) -> None:
    low, high = (math.degrees(a) for a in zenith)
    axes.axhspan(low, high, color="#eef3f8", zorder=0)
    axes.axhline(90.0, color=COLOURS["quiet"], lw=0.8)
    axes.text(0.3, 88.5, "horizon", fontsize=7.5, color=COLOURS["quiet"], va="bottom")


def _sun(axes: Axes, hours: Any, start: int, place: astro.Site) -> None:
    dz = astro.body_to_local("sun", start + (hours / 24.0 * _DAY_NS).astype(np.int64), place)[2]
    zenith = np.degrees(np.pi - np.arccos(np.clip(dz, -1, 1)))
    axes.plot(hours, zenith, color="#b8860b", lw=1.0, ls=(0, (2, 2)), label="Sun")
