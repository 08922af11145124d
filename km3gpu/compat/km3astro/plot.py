"""Sky maps, by the names of km3astro; they need no ligo.skymap and no healpy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.time import Time

from km3gpu import astro
from km3gpu.astro import healpix
from km3gpu.astro.mapfile import read_map
from km3gpu.astro.visibility import visibility
from km3gpu.compat.km3astro.coord import events_of, transform_to
from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.extras import require
from km3gpu.plot.projection import adjust, projection_axes
from km3gpu.plot.sky import Horizon, Points, Region, sky_map

__all__ = [
    "get_alert_color",
    "get_alert_marker",
    "get_coord_from_skycoord",
    "get_visibility_map",
    "plot_equatorial",
    "projection_axes",
    "ra_dec",
    "skymap_alert",
    "skymap_hpx",
    "skymap_list",
]

_FRAMES = {"equatorial": "icrs", "galactic": "galactic"}
_COLOURS = {
    "GRB": "tab:blue",
    "GW": "tab:orange",
    "Neutrino": "tab:green",
    "NuEM": "tab:red",
    "SK_SN": "tab:purple",
    "SNEWS": "tab:brown",
    "Transient": "tab:pink",
}
_MARKERS = {"GRB": "o", "Neutrino": "^", "NuEM": "v", "SK_SN": "*", "SNEWS": "*", "Transient": "s"}
_NSIDE = 128


def ra_dec(skycoord: SkyCoord) -> tuple[Any, Any]:
    """Give right ascension (-pi to pi) and declination in radians, as matplotlib's projections take them."""
    return skycoord.ra.wrap_at(180 * u.deg).radian, skycoord.dec.radian


def plot_equatorial(
    evts: SkyCoord,
    projection: str = "aitoff",
    ax: Any = None,
    marker: str = "o",
    markersize: float = 4,
    alpha: float = 0.8,
    adjust_subplots: bool = True,
    **kwargs: Any,
) -> Any:
    """Draw events (ICRS) on axes in a projection, new ones by default; give the axes."""
    ra, dec = ra_dec(evts)
    if ax is None:
        _, ax = projection_axes(projection=projection)
    ax.plot(ra, dec, marker, markersize=markersize, alpha=alpha, **kwargs)
    if adjust_subplots:
        adjust(ax, top=0.95, bottom=0.0)
    return ax


def get_coord_from_skycoord(SC: SkyCoord, frame: str, detector: str) -> tuple[Any, Any]:
    """Transform events and give their two angles in radians, the first from -pi to pi.

    ``"altaz"`` gives altitude and azimuth, in that order, and ``"ParticleFrame"`` theta
    less pi where it is above pi/2, as in km3astro.
    """
    coord = transform_to(SC, frame, detector)
    half = 180 * u.deg
    if frame == "ParticleFrame":
        theta = np.asarray(coord.theta.radian)
        return coord.phi.wrap_at(half).radian, np.where(theta > np.pi / 2, theta - np.pi, theta)[()]
    if frame == "UTM":
        return coord.azimuth.wrap_at(half).radian, np.pi / 2 - coord.zenith.radian
    if frame == "altaz":
        return coord.alt.radian, coord.az.wrap_at(half).radian
    if frame == "equatorial":
        return ra_dec(coord)
    return coord.l.wrap_at(half).radian, coord.b.radian


def get_alert_color(alert_type: str) -> str:
    """Give the colour of a kind of alert."""
    return _COLOURS.get(alert_type, "c")


def get_alert_marker(alert_type: str) -> str:
    """Give the marker of a kind of alert."""
    return _MARKERS.get(alert_type, ".")


def get_visibility_map(frame: str, detector: str) -> Any:
    """Give the fraction of the time above the horizon, for the pixels of a map (nside 128, ring order).

    Parameters
    ----------
    frame : {"equatorial", "galactic"}
    detector : str

    Returns
    -------
    (196608,) float64 array
    """
    longitude, latitude = healpix.centres(_NSIDE)
    _, declination = astro.turned((longitude, latitude), "icrs", of=_frame(frame))
    return visibility(declination, detector, (0.0, np.pi / 2))


def skymap_hpx(
    skymap_url: str | None = None,
    obstime: str | None = None,
    nside: int = _NSIDE,
    detector: str = "antares",
    outfile: str | None = None,
    **old_kwargs: Any,
) -> Any:
    """Draw a HEALPix map of a FITS file with its 50 % and 90 % regions and what is above the horizon.

    Parameters
    ----------
    skymap_url : str
        Path of a file, or a URL, which is downloaded.
    obstime : str
        ``"2022-10-25T12:00:00"``.
    nside : int
        Not needed any more: the map is drawn as it is.
    detector : str
        Of the horizon.
    outfile : str, optional
        Write the figure there.
    """
    _refuse_old("skymap_hpx", old_kwargs)
    if skymap_url is None or obstime is None:
        raise ConfigError("skymap_hpx needs skymap_url and obstime")
    path = skymap_url
    if "://" in path:
        from astropy.utils.data import download_file

        path = download_file(path, cache=True)
    found = read_map(path)
    values = next(iter(found.columns.values())).astype(np.float64)
    figure = sky_map(
        counts=values,
        counts_nested=found.nested,
        counts_frame=found.frame,
        counts_label="probability",
        credible=(0.5, 0.9) if (values >= 0).all() else (),
        horizon=Horizon(Time(obstime, format="isot"), detector),
        title="Equatorial coordinates",
    )
    return _saved(figure, outfile)


def skymap_list(
    dataframe: Any = None,
    frame: str = "equatorial",
    frame_input: str = "equatorial",
    detector: str = "antares",
    outfile: str | None = None,
    **old_kwargs: Any,
) -> Any:
    """Draw the alerts of a table, each kind (``Alert_type``) in its colour.

    Parameters
    ----------
    dataframe : pandas.DataFrame, optional
        Columns as for `coord.transform_to_new_frame`; by default the ANTARES benchmark of
        km3net-testdata, as in km3astro.
    frame : {"equatorial", "galactic"}
        Of the picture.
    frame_input : str
        Of the table.
    detector : str
        Of the table's frame, where it has one.
    outfile : str, optional
        Write the figure there.
    """
    _refuse_old("skymap_list", old_kwargs)
    if dataframe is None or len(dataframe) == 0:
        path = require("km3net_testdata", "demo").data_path("astro/antares_coordinate_systems_benchmark.csv")
        dataframe = require("pandas", "astro").read_csv(path, comment="#")
    coord = events_of(dataframe, frame_input, detector).icrs
    kinds = np.asarray(dataframe["Alert_type"] if "Alert_type" in dataframe else [""] * len(dataframe), str)
    groups = [
        Points(
            coord.ra.rad[kinds == k],
            coord.dec.rad[kinds == k],
            k,
            get_alert_color(k),
            get_alert_marker(k),
            60.0,
        )
        for k in np.unique(kinds)
    ]
    figure = sky_map(frame=_frame(frame), points=groups, title=f"{frame.capitalize()} coordinates")
    return _saved(figure, outfile)


def skymap_alert(
    ra: float | None = None,
    dec: float | None = None,
    obstime: str | None = None,
    error_radius: float | None = None,
    frame: str = "equatorial",
    detector: str = "antares",
    outfile: str | None = None,
    **old_kwargs: Any,
) -> Any:
    """Draw an alert: its place, error circle, and what is above the horizon.

    Parameters
    ----------
    ra, dec : float
        Degrees.
    obstime : str
        ``"2022-10-25T12:00:00"``.
    error_radius : float, optional
        Degrees.
    frame : {"equatorial", "galactic"}
        Of the picture.
    detector : str
        Of the horizon.
    outfile : str, optional
        Write the figure there.
    """
    _refuse_old("skymap_alert", old_kwargs)
    if ra is None or dec is None or obstime is None:
        raise ConfigError("skymap_alert needs ra, dec and obstime")
    place = np.radians([ra % 360.0]), np.radians([dec])
    regions = []
    if error_radius is not None:
        regions = [Region(float(place[0][0]), float(place[1][0]), np.radians(error_radius), "error radius")]
    figure = sky_map(
        frame=_frame(frame),
        points=[Points(*place, "alert", "tab:blue", "+", 90.0)],
        regions=regions,
        horizon=Horizon(Time(obstime, format="isot"), detector),
        title=f"{frame.capitalize()} coordinates",
    )
    return _saved(figure, outfile)


def _frame(name: str) -> str:
    if name not in _FRAMES:
        raise UnknownNameError.of("frame", str(name), _FRAMES)
    return _FRAMES[name]


def _saved(figure: Any, outfile: str | None) -> Any:
    if outfile is not None:
        figure.savefig(Path(outfile), dpi=300)
    return figure


def _refuse_old(function: str, arguments: dict[str, Any]) -> None:
    if arguments:
        raise ConfigError(
            f"{function} has no argument {', '.join(sorted(arguments))}",
            remedy="those were deprecated in km3astro: see its docstring for the present ones",
        )
