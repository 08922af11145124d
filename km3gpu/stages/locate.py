"""Say where on the sky each event's best track comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import astro, backend
from km3gpu.astro.eop import OUTSIDE, PREDICTED, earth_orientation
from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.stages.date import UTC_BEGAN_NS
from km3gpu.stages.geometry import DetectorLike, detector_files, detector_of
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Locate", "locate"]

_DIRECTION = ("track_dir_x", "track_dir_y", "track_dir_z")


@dataclass(frozen=True)
class Locate(Stage):
    """Turn the direction of the best track into zenith, azimuth, RA and Dec.

    Its fingerprint, and so the record of a run, names the tables of Earth orientation by
    version and digest.  Its counters say how many events of a chunk are at days that these
    only predict (``predicted``) or do not reach (``outside_tables``).

    Attributes
    ----------
    site : str or Site, optional
        ``"arca"``, ``"orca"``, ``"antares"`` or a site of your own.
    detector : str or Detector, optional
        Take the site from the UTM reference of this detector instead.
    iers : str, optional
        Path of a ``finals2000A.all`` newer than the one installed with astropy.
    """

    name: ClassVar[str] = "locate"

    site: str | astro.Site | None = None
    detector: DetectorLike | None = None
    iers: str | None = None

    def __post_init__(self) -> None:
        if (self.site is None) == (self.detector is None):
            raise ConfigError("locate needs either a site or a detector", remedy="set site='arca', say")
        if isinstance(self.site, str):
            astro.site(self.site)

    def inputs(self) -> tuple[str, ...]:
        """Give the files of detector and Earth orientation."""
        return (*detector_files(self.detector), *(() if self.iers is None else (self.iers,)))

    def fingerprint(self) -> str:
        """Describe the stage, by the Earth orientation too that its positions rest on."""
        config = {**json.loads(super().fingerprint()), "iers": earth_orientation(self.iers).record()}
        return json.dumps(config, sort_keys=True, separators=(",", ":"))

    def reads(self, kind: str) -> Columns:
        """Give direction and arrival time, which `BestTrack` makes."""
        return {} if kind != "offline" else {"events": (*_DIRECTION, "track_time_ns")}

    def writes(self, kind: str) -> Columns:
        """Give the angles."""
        return {} if kind != "offline" else {"events": ("zenith", "azimuth", "ra", "dec")}

    def where(self) -> astro.Site:
        """Give the site itself."""
        if isinstance(self.site, astro.Site):
            return self.site
        if self.site is not None:
            return astro.site(self.site)
        assert self.detector is not None
        detector = detector_of(self.detector)
        if detector.utm is None:
            raise ConfigError(
                "the detector description has no UTM reference",
                where=detector.path,
                remedy="name the site: site='arca', say",
            )
        u = detector.utm
        return astro.Site.from_utm(u.easting, u.northing, u.z, u.zone)

    def apply(self, chunk: Chunk) -> Result:
        """Add ``zenith, azimuth, ra, dec`` to the events; NaN where there is no track."""
        events = chunk.events
        if not all(c in events for c in _DIRECTION):
            return {}, {}
        dx, dy, dz = (events.flat(c) for c in _DIRECTION)
        xp = backend.namespace(dx)
        row = xp.flatnonzero(xp.isfinite(dx))
        counters = {"located": len(row), "predicted": 0, "outside_tables": 0}
        ra, dec = xp.full(len(dx), np.nan), xp.full(len(dx), np.nan)
        if len(row):
            time = events.flat("track_time_ns")[row]
            if int(time.min()) < UTC_BEGAN_NS:
                undated = int((time < UTC_BEGAN_NS).sum())
                raise CalibrationError(
                    f"{undated} of {len(row)} events carry no date, as simulated ones do",
                    where=chunk.source.path,
                    remedy="give them one with the stage date (start = '2021-09-14T11:16:25', say)",
                )
            ra[row], dec[row] = astro.local_to_icrs(
                time, dx[row], dy[row], dz[row], self.where(), iers=self.iers
            )
            table = astro.sky_table(int(time.min()), int(time.max()), self.iers)
            counters["predicted"] = table.events_with(time, PREDICTED)
            counters["outside_tables"] = table.events_with(time, OUTSIDE)
        columns: dict[str, Any] = {
            "zenith": np.pi - xp.arccos(xp.clip(dz, -1.0, 1.0)),
            "azimuth": xp.arctan2(-dy, -dx) % (2 * np.pi),
            "ra": ra,
            "dec": dec,
        }
        return {"events": events.with_columns(**columns)}, counters


def locate(chunk: Chunk, site: Any = None) -> Chunk:
    """Say where on the sky each event's best track comes from.

    Parameters
    ----------
    chunk : Chunk
        After `best_track`.
    site : str, Site or Detector
        Name of a site, a site, or a detector with a UTM reference.

    Returns
    -------
    Chunk
        Its events have ``zenith`` and ``azimuth`` (detector frame, where the
        track comes from; azimuth from grid East towards grid North) and ``ra``
        and ``dec`` (ICRS) [rad]; NaN where an event has no track.

    Raises
    ------
    CalibrationError
        Simulated events that carry no date; see `km3gpu.date`.
    """
    if isinstance(site, (str, astro.Site)):
        return Locate(site=site)(chunk)
    return Locate(detector=site)(chunk)
