"""What a map of the whole sky is made of: each function draws one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from km3gpu import astro
from km3gpu.astro import healpix
from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.plot.style import COLOURS

__all__ = [
    "COUNT_MAP",
    "WORDS",
    "Horizon",
    "Points",
    "Region",
    "draw_circle",
    "draw_contours",
    "draw_great_circle",
    "draw_legend",
    "draw_points",
    "frame_axes",
    "host",
    "lay_counts",
    "place",
    "shade_above",
]

# the lightest end is as good as white, for pixels with next to nothing
COUNT_MAP = ListedColormap(colormaps["Blues"](np.linspace(0.04, 1.0, 256)), "km3gpu_counts")
WORDS = {
    "icrs": ("right ascension", "declination", "ICRS"),
    "galactic": ("galactic longitude", "galactic latitude", "galactic"),
}


@dataclass(frozen=True)
class Region:
    """A circle on the sky: where something may have come from.

    Attributes
    ----------
    ra, dec : float
        Centre (ICRS), radians.
    radius : float
        Radians.
    label : str
        For the legend.
    """

    ra: float
    dec: float
    radius: float
    label: str = ""


@dataclass(frozen=True, eq=False)
class Points:
    """Places on the sky that belong together.

    Attributes
    ----------
    ra, dec : (n,) arrays
        ICRS, radians.
    label : str
        For the legend.
    colour, marker : str
        matplotlib's.
    size : float
        Area in square points; chosen by their number where it is 0.
    """

    ra: Any
    dec: Any
    label: str = ""
    colour: str = COLOURS["bars"]
    marker: str = "o"
    size: float = 0.0


@dataclass(frozen=True)
class Horizon:
    """What lies below a detector's horizon at a time is where it looks for neutrinos.

    Attributes
    ----------
    time : int, datetime64 or astropy Time
    site : Site or str
    """

    time: Any
    site: astro.Site | str


def host(array: Any) -> Any:
    """Give numbers, lists and arrays of any backend as numpy."""
    return Backend.to_host(array) if hasattr(array, "__cuda_array_interface__") else np.asarray(array)


def place(ra: Any, dec: Any, frame: str) -> tuple[Any, Any]:
    """Give x and y of the projection: longitude grows to the left, as seen from within the sphere."""
    lon, lat = astro.turned((np.asarray(ra, float), np.asarray(dec, float)), frame)
    return -((lon + np.pi) % (2 * np.pi) - np.pi), lat


def frame_axes(axes: Axes, frame: str) -> None:
    """Draw grid, ticks and words of a map in these axes."""
    axes.set_axisbelow(False)  # the grid lies on a map of counts, not under it
    axes.grid(True, color=COLOURS["quiet"], linewidth=0.4, alpha=0.45)
    axes.set_longitude_grid_ends(90)  # type: ignore[attr-defined]
    ticks = np.arange(-150, 180, 30)
    hours = frame == "icrs"
    labels = [f"{(-t % 360) // 15} h" if hours else f"{-t % 360}°" for t in ticks]
    axes.set_xticks(np.radians(ticks), labels, fontsize=7.5)
    axes.set_yticks(np.radians(np.arange(-60, 90, 30)), [f"{t}°" for t in range(-60, 90, 30)], fontsize=7.5)
    halo: list[Any] = [withStroke(linewidth=2.2, foreground="white", alpha=0.8)]
    for label in axes.get_xticklabels():
        label.set_path_effects(halo)
    axes.set_xlabel(WORDS[frame][0], fontsize=8.5, labelpad=4)
    axes.set_ylabel(WORDS[frame][1], fontsize=8.5)
    for spine in axes.spines.values():
        spine.set_visible(True)


def _raster() -> tuple[Any, Any]:
    """Longitude and latitude of the edges of a raster of the picture [rad]."""
    return np.linspace(-np.pi, np.pi, 721), np.linspace(-np.pi / 2, np.pi / 2, 361)


def _centres() -> tuple[Any, Any]:
    x, y = _raster()
    return np.meshgrid(-(x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2)


def lay_counts(axes: Axes, counts: Any, nested: bool, of: str, frame: str) -> Any:
    """Lay a HEALPix map under everything; give the image for its colour bar."""
    nside = round(np.sqrt(len(counts) / 12)) if counts.ndim == 1 else 0
    if nside == 0 or 12 * nside * nside != len(counts):
        raise FormatError(
            f"a map of shape {counts.shape} is no HEALPix map", remedy="it has 12 nside^2 numbers"
        )
    lon, lat = _centres()
    lon, lat = astro.turned((lon, lat), of, of=frame)
    values = counts[healpix.pixels(lon, lat, nside, nested=nested)]
    low = 0.0 if counts.min() >= 0 else float(np.nanmin(counts))
    top = float(np.nanmax(counts))
    return axes.pcolormesh(
        *_raster(),
        values,
        cmap=COUNT_MAP,
        zorder=0,
        vmin=low,
        vmax=top if top > low else low + 1,
        rasterized=True,
    )


def draw_contours(
    axes: Axes, counts: Any, nested: bool, of: str, frame: str, credible: Sequence[float]
) -> None:
    """Draw lines around the fullest pixels that hold given fractions of the whole."""
    if not credible or not counts.sum() > 0:
        return
    order = np.argsort(-counts, kind="stable")
    share = np.empty(len(counts))
    share[order] = np.cumsum(counts[order]) / counts.sum()
    lon, lat = _centres()
    lon, lat = astro.turned((lon, lat), of, of=frame)
    nside = round(np.sqrt(len(counts) / 12))
    values = share[healpix.pixels(lon, lat, nside, nested=nested)]
    x, y = _raster()
    styles = [(0, (1, 1)), "-", (0, (4, 2))]
    for i, level in enumerate(sorted(credible)):
        style = styles[i % len(styles)]
        axes.contour((x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2, values, levels=[level],
                     colors=[COLOURS["expected"]], linewidths=1.1, linestyles=[style], zorder=2)  # fmt: skip
        axes.plot([], [], color=COLOURS["expected"], lw=1.1, ls=style, label=f"{100 * level:g} % region")


def draw_points(axes: Axes, points: Points, frame: str) -> None:
    """Draw one group of places."""
    ra, dec = np.ravel(host(points.ra)), np.ravel(host(points.dec))
    good = np.isfinite(ra) & np.isfinite(dec)
    if not good.any():
        return
    size = points.size or float(np.clip(6e3 / good.sum(), 1.5, 26.0))
    x, y = place(ra[good], dec[good], frame)
    thin = points.marker in "+x"
    axes.scatter(
        x, y, s=size, color=points.colour, marker=points.marker, linewidths=1.2 if thin else 0,
        alpha=0.8, zorder=3, label=points.label or None,
    )  # fmt: skip


def shade_above(axes: Axes, horizon: Horizon, frame: str) -> None:
    """Shade what is above a horizon."""
    lon, lat = _centres()
    ra, dec = astro.turned((lon, lat), "icrs", of=frame)
    _, _, dz = astro.icrs_to_local(horizon.time, ra, dec, horizon.site)
    x, y = _raster()
    axes.contourf(
        (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2, dz, levels=(-2.0, 0.0), colors=[COLOURS["quiet"]],
        alpha=0.18, zorder=1,
    )  # fmt: skip
    name = astro.site(horizon.site).name.upper()
    when = np.datetime64(int(astro.utc_ns(horizon.time)), "ns").astype("M8[m]")
    axes.fill([], [], color=COLOURS["quiet"], alpha=0.18, label=f"above the horizon of {name}, {when} UTC")


def draw_great_circle(axes: Axes, frame: str) -> None:
    """Draw the Galactic plane on an equatorial map, the celestial equator on a Galactic one."""
    lon, zero = np.linspace(0, 2 * np.pi, 721), np.zeros(721)
    if frame == "icrs":
        ra, dec = astro.turned((lon, zero), "icrs", of="galactic")
        label = "galactic plane"
    else:
        ra, dec, label = lon, zero, "celestial equator"
    _line(axes, *place(ra, dec, frame), color=COLOURS["quiet"], lw=0.8, ls=(0, (4, 3)), label=label)


def _line(axes: Axes, x: Any, y: Any, **style: Any) -> None:
    """Draw a line, broken where it leaves one edge of the map for the other."""
    cut = np.flatnonzero(np.abs(np.diff(x)) > np.pi) + 1
    axes.plot(np.insert(x, cut, np.nan), np.insert(y, cut, np.nan), zorder=2, **style)


def draw_circle(axes: Axes, region: Region, frame: str) -> None:
    """Draw the circle of all places at a radius from a centre."""
    angle = np.linspace(0, 2 * np.pi, 361)
    s, c = np.sin(region.radius), np.cos(region.radius)
    sd, cd = np.sin(region.dec), np.cos(region.dec)
    dec = np.arcsin(np.clip(sd * c + cd * s * np.cos(angle), -1, 1))
    ra = region.ra + np.arctan2(np.sin(angle) * s * cd, c - sd * np.sin(dec))
    x, y = place(ra % (2 * np.pi), dec, frame)
    _line(axes, x, y, color=COLOURS["track"], lw=1.3, label=region.label or None)


def draw_legend(figure: Figure, axes: Axes) -> None:
    """Say above the map what is what."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = figure.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.05, 0.935), ncols=4, columnspacing=1.4
        )
        for handle in legend.legend_handles:
            if isinstance(handle, PathCollection):  # of many events each is a dot too small to see
                handle.set_sizes(np.maximum(handle.get_sizes(), 14.0))
