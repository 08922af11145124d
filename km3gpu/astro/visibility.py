"""How long a place on the sky is in view: per sidereal day, and over a run list.

In view means that it stands within a range of zenith angles.  A place of
declination d stands at zenith angle z where ``cos z = sin(lat) sin d + cos(lat)
cos d cos H``, and z grows with the hour angle H on either side of the meridian; so
a range of zenith angles is a range of hour angles, and the time in it is an arc
cosine.  Over a run list, the time spent at every rotation angle of the Earth is
added up once, exactly; any number of places then takes a look-up each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu.astro.arguments import angles, check_angles, columns_of
from km3gpu.astro.healpix import centres
from km3gpu.astro.sites import Site
from km3gpu.astro.sites import site as _site
from km3gpu.astro.times import DAY_NS, utc_ns
from km3gpu.astro.transform import icrs_to_local
from km3gpu.errors import ConfigError, FormatError
from km3gpu.run_list import RunList

__all__ = ["UPGOING", "Livetime", "visibility", "visibility_map"]

UPGOING = (math.pi / 2, math.pi)
"""Zenith angles of what comes through the Earth."""

_TURNS_PER_DAY = 1.00273781191135448


def visibility(declination: Any, site: Site | str, zenith: tuple[float, float] = UPGOING) -> Any:
    """Give the fraction of a sidereal day that a declination is in view.

    Parameters
    ----------
    declination : float or (n,) array
        Of date, radians (that of ICRS is off by less than 0.2 degrees by 2030).
    site : Site or str
    zenith : (float, float)
        Range of zenith angles that counts as in view, radians; below the horizon by
        default, where KM3NeT looks through the Earth.

    Returns
    -------
    float64 array
        0 to 1.

    Raises
    ------
    KernelError
        Names the first declination that cannot be radians.
    ConfigError
        No such range of zenith angles.
    """
    low, high = _range(zenith)
    (dec,) = angles(declination)
    shape, (dec,) = columns_of(declination=dec)
    check_angles(None, dec, names=("", "declination"))
    latitude = _site(site).latitude
    fraction = (_half_arc(dec, latitude, high) - _half_arc(dec, latitude, low)) / math.pi
    return fraction.reshape(shape)


@dataclass(frozen=True, eq=False)
class Livetime:
    """When a detector took data: the time it spent at every rotation angle of the Earth.

    Make one with `of_runs` or `open`.

    Attributes
    ----------
    runs : (n, 2) int64 array
        Start and stop of every run, UTC ns since 1970.
    turn : (m,) float64 array
        Rotation of the Earth since the middle of the livetime, in turns, 0 to 1.
    seconds : (m,) float64 array
        Livetime until then within the turn, cumulative; linear in between.
    """

    runs: Any
    turn: Any
    seconds: Any

    @classmethod
    def of_runs(cls, start: Any, stop: Any) -> Livetime:
        """Add up runs.

        Parameters
        ----------
        start, stop : (n,) int64 arrays
            UTC ns since 1970; datetimes and astropy Times too.

        Raises
        ------
        FormatError
            A run ends before it begins (the row is named), runs overlap, or there is none.
        """
        first, last = np.atleast_1d(utc_ns(start)), np.atleast_1d(utc_ns(stop))
        if first.shape != last.shape or first.ndim != 1 or len(first) == 0:
            raise FormatError(f"{first.shape} starts and {last.shape} stops make no run list")
        if (last < first).any():
            row = int((last < first).argmax())
            raise FormatError(
                f"the run of row {row} stops at {last[row]} ns, before it starts at {first[row]} ns"
            )
        order = np.argsort(first, kind="stable")
        early = np.flatnonzero(first[order][1:] < last[order][:-1])
        if len(early):
            a, b = order[early[0]], order[early[0] + 1]
            raise FormatError(
                f"the runs of rows {a} and {b} overlap", remedy="take the runs of one detector, each once"
            )
        runs = np.column_stack([first, last])
        return cls(runs, *_fold(runs))

    @classmethod
    def open(cls, path: str | Path) -> Livetime:
        """Read a run list: text or Parquet with starts and stops (see `km3gpu.run_list`).

        Parameters
        ----------
        path : str or Path
            Times are ISO 8601 (UTC), or s, ms, us or ns since 1970.

        Raises
        ------
        InputNotFoundError, FormatError
            No such file; no such columns, or no such times: the line is named.
        """
        found = RunList.open(path, numbered=False)
        times = {"start": found.start, "stop": found.stop}
        if missing := [name for name, column in times.items() if column is None]:
            raise FormatError(
                f"the run list has no column {' and no '.join(missing)}",
                where=str(path),
                remedy="its first line is to be: start,stop",
            )
        for name, column in times.items():
            if column is not None and not column.all():
                row = int(column.argmin())
                raise FormatError(f"a run without a {name}", where=f"{path}, line {found.lines[row]}")
        try:
            return cls.of_runs(found.start, found.stop)
        except FormatError as error:
            raise FormatError(error.what, where=str(path), remedy=error.remedy) from None

    @property
    def total(self) -> float:
        """Livetime in seconds."""
        return float((self.runs[:, 1] - self.runs[:, 0]).sum() / 1e9)

    @property
    def middle_ns(self) -> int:
        """Middle of the livetime's span, where places are put in their position of date."""
        return int(_middle(self.runs))

    def in_view(self, ra: Any, dec: Any, site: Site | str, zenith: tuple[float, float] = UPGOING) -> Any:
        """Give the time that places on the sky were in view.

        Parameters
        ----------
        ra, dec : float or (n,) arrays
            ICRS, radians.
        site : Site or str
        zenith : (float, float)
            Range of zenith angles that counts as in view, radians.

        Returns
        -------
        float64 array
            Seconds; divide by `total` for the fraction.

        Raises
        ------
        KernelError
            Names the first position that cannot be radians.
        """
        low, high = _range(zenith)
        place = _site(site)
        dx, dy, dz = icrs_to_local(self.middle_ns, ra, dec, place)
        # Earth-fixed direction in the middle: longitude and declination of date
        m = -place.matrix
        x, y, z = (m[k, 0] * dx + m[k, 1] * dy + m[k, 2] * dz for k in range(3))
        hour_angle = place.longitude - np.arctan2(y, x)
        declination = np.arctan2(z, np.hypot(x, y))
        arcs = (_half_arc(declination, place.latitude, a) for a in (low, high))
        inner, outer = (self._around(-hour_angle, arc) for arc in arcs)
        return outer - inner

    def _around(self, meridian: Any, arc: Any) -> Any:
        """Livetime within `arc` on either side of the turn at which a place culminates."""
        centre, half = meridian / (2 * math.pi), arc / (2 * math.pi)
        return self._until(centre + half) - self._until(centre - half)

    def _until(self, turn: Any) -> Any:
        whole = np.floor(turn)
        return whole * self.seconds[-1] + np.interp(turn - whole, self.turn, self.seconds)


def visibility_map(
    site: Site | str,
    nside: int = 128,
    *,
    nested: bool = False,
    zenith: tuple[float, float] = UPGOING,
    livetime: Livetime | None = None,
) -> Any:
    """Give the fraction of the time that every pixel of a HEALPix map is in view.

    Parameters
    ----------
    site : Site or str
    nside : int
        The map has 12 nside^2 pixels (equatorial coordinates, ICRS).
    nested : bool
        Nested order, else ring order.
    zenith : (float, float)
        Range of zenith angles that counts as in view, radians.
    livetime : Livetime, optional
        Weigh by this; without, a sidereal day counts evenly.

    Returns
    -------
    (12 nside^2,) float64 array
        0 to 1.
    """
    ra, dec = centres(nside, nested=nested)
    if livetime is None:
        return visibility(dec, site, zenith)
    return livetime.in_view(ra, dec, site, zenith) / livetime.total


def _half_arc(declination: Any, latitude: float, zenith: float) -> Any:
    """Hour angle at which a declination passes a zenith angle: 0 if always beyond, pi if never."""
    up = math.cos(zenith) - math.sin(latitude) * np.sin(declination)
    # at a pole of the sky nothing moves: it is always within or always beyond
    scale = np.maximum(math.cos(latitude) * np.cos(declination), 1e-300)
    return np.arccos(np.clip(up / scale, -1.0, 1.0))


def _range(zenith: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(a) for a in angles(*zenith))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"zenith={zenith!r} is no range of angles", remedy=f"give two: {error}") from None
    if not -1e-12 <= low < high <= math.pi + 1e-9:
        raise ConfigError(
            f"no zenith angles from {low!r} to {high!r}",
            remedy="they rise from 0 (above) to pi (below), in radians",
        )
    return low, high


def _middle(runs: Any) -> int:
    return (int(runs[:, 0].min()) + int(runs[:, 1].max())) // 2


def _fold(runs: Any) -> tuple[Any, Any]:
    """Fold runs onto one turn of the Earth: breakpoints, and livetime up to each [s]."""
    rate = _TURNS_PER_DAY / DAY_NS
    begin, end = ((runs[:, k] - _middle(runs)) * rate for k in (0, 1))
    whole = np.floor(end - begin)
    a = begin - np.floor(begin)
    b = a + (end - begin - whole)
    wraps = b > 1.0
    # every run counts `whole` times throughout, and once more from a to b
    starts = np.concatenate([a, np.zeros(int(wraps.sum()))])
    stops = np.concatenate([np.minimum(b, 1.0), b[wraps] - 1.0])
    turn = np.unique(np.concatenate([[0.0, 1.0], starts, stops]))
    depth = np.zeros(len(turn))
    np.add.at(depth, np.searchsorted(turn, starts), 1.0)
    np.add.at(depth, np.searchsorted(turn, stops), -1.0)
    depth = np.cumsum(depth)[:-1] + whole.sum()
    seconds = np.concatenate([[0.0], np.cumsum(depth * np.diff(turn))]) / rate / 1e9
    return turn, seconds
