"""Select events by where on the sky they come from."""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from km3gpu import astro, backend
from km3gpu.astro.bodies import BODIES
from km3gpu.astro.eop import earth_orientation
from km3gpu.astro.separation import body_separation
from km3gpu.astro.sources import SourceList, bundled
from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import ConfigError, FormatError, UnknownNameError
from km3gpu.stages.geometry import DetectorLike, detector_files
from km3gpu.stages.healpix import positions
from km3gpu.stages.locate import Locate
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Mode", "SkySelect", "sky_select"]

Mode = Literal["keep", "drop", "mark"]
Range = tuple[float, float]

_TRACK = ("track_dir_x", "track_dir_y", "track_dir_z", "track_time_ns")


@dataclass(frozen=True)
class SkySelect(Stage):
    """Keep, drop or mark the events that fulfil every condition given.

    An event without a position fulfils none.

    Attributes
    ----------
    sources : str or tuple of str, optional
        Bundled sources by name, or the path of a CSV or FITS file of sources: the event
        comes from within `radius_deg` of one.
    body : {"sun", "moon"}, optional
        The event comes from within `radius_deg` of it, as seen from the detector.
    radius_deg : float, optional
        For `sources` and `body`.
    zenith_deg, declination_deg, galactic_latitude_deg : (float, float), optional
        Ranges, both ends included; zenith angle of where the event comes from.
    mode : {"keep", "drop", "mark"}
        Keep only these events, all but these, or all, with the column ``selected``.
        With `sources`, events also get ``source`` and ``source_separation``.
    site, detector
        As for `Locate`; for `body` only.
    """

    name: ClassVar[str] = "sky_select"

    sources: str | tuple[str, ...] | None = None
    body: str | None = None
    radius_deg: float | None = None
    zenith_deg: Range | None = None
    declination_deg: Range | None = None
    galactic_latitude_deg: Range | None = None
    mode: Mode = "keep"
    site: str | astro.Site | None = None
    detector: DetectorLike | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ConfigError(f"mode = {self.mode!r}", remedy="take 'keep', 'drop' or 'mark'")
        for name in ("sources", "zenith_deg", "declination_deg", "galactic_latitude_deg"):
            if isinstance(value := getattr(self, name), list):  # as TOML gives it
                object.__setattr__(self, name, tuple(value))
        near = self.sources is not None or self.body is not None
        if near != (self.radius_deg is not None):
            raise ConfigError(
                "sources and body need a radius, and a radius one of them", remedy="set radius_deg = 3.0, say"
            )
        if self.radius_deg is not None and not 0.0 <= self.radius_deg <= 180.0:
            raise ConfigError(f"radius_deg = {self.radius_deg}", remedy="give 0 to 180 degrees")
        if self.body is not None and self.body not in BODIES:
            raise UnknownNameError.of("body", self.body, BODIES)
        if (self.body is None) != (self.site is None and self.detector is None):
            raise ConfigError("body needs a site or a detector, and nothing else does")
        if self.body is not None:
            Locate(site=self.site, detector=self.detector)
        conditions = (self.zenith_deg, self.declination_deg, self.galactic_latitude_deg)
        if not near and all(c is None for c in conditions):
            raise ConfigError("sky_select has no condition", remedy="set zenith_deg = [90.0, 180.0], say")
        for name, limits in (
            ("zenith_deg", (0, 180)),
            ("declination_deg", (-90, 90)),
            ("galactic_latitude_deg", (-90, 90)),
        ):
            _check_range(name, getattr(self, name), *limits)
        if self.sources is not None:
            self._sources()

    def inputs(self) -> tuple[str, ...]:
        """Give the files of sources and detector."""
        path = () if not _is_file(self.sources) else (str(self.sources),)
        return (*path, *detector_files(self.detector))

    def fingerprint(self) -> str:
        """Describe the stage; with a body, by the Earth orientation too that places it."""
        if self.body is None:
            return super().fingerprint()
        config = {**json.loads(super().fingerprint()), "iers": earth_orientation().record()}
        return json.dumps(config, sort_keys=True, separators=(",", ":"))

    def reads(self, kind: str) -> Columns:
        """Give position and, for bodies, direction and time, which earlier stages make."""
        columns = ("ra", "dec") + (("zenith",) if self.zenith_deg else ()) + (_TRACK if self.body else ())
        return {"events": columns}

    def writes(self, kind: str) -> Columns:
        """Give the columns added to the events."""
        marked = ("selected",) if self.mode == "mark" else ()
        near = ("source", "source_separation") if self.sources is not None else ()
        return {"events": (*marked, *near)} if marked or near else {}

    def apply(self, chunk: Chunk) -> Result:
        """Select, in every table."""
        ra, dec = positions(chunk)
        xp = backend.namespace(ra)
        selected = xp.isfinite(ra) & xp.isfinite(dec)
        columns: dict[str, Any] = {}
        radius = math.radians(self.radius_deg or 0.0)
        if self.sources is not None:
            source, angle = self._sources().nearest(ra, dec)
            columns = {"source": source.astype(np.int32), "source_separation": angle}
            selected &= angle <= radius
        if self.body is not None:
            selected &= self._body_angle(chunk, selected) <= radius
        if self.zenith_deg is not None:
            selected &= _within(_column(chunk, "zenith"), self.zenith_deg)
        if self.declination_deg is not None:
            selected &= _within(dec, self.declination_deg)
        if self.galactic_latitude_deg is not None:
            selected &= _within(astro.turned((ra, dec), "galactic")[1], self.galactic_latitude_deg)
        counters = {"events": float(len(ra)), "selected": float(selected.sum())}
        if self.mode == "mark":
            return {"events": chunk.events.with_columns(selected=selected, **columns)}, counters
        events = chunk.events.with_columns(**columns)
        index = xp.flatnonzero(selected if self.mode == "keep" else ~selected)
        tables: dict[str, Table] = {n: t.take_events(index) for n, t in chunk.tables.items() if n != "events"}
        return {**tables, "events": events.take_events(index)}, counters

    def _body_angle(self, chunk: Chunk, good: Any) -> Any:
        dx, dy, dz, time = (_column(chunk, c) for c in _TRACK)
        xp = backend.namespace(dx)
        angle = xp.full(len(dx), np.nan)
        row = xp.flatnonzero(good)
        if len(row):
            site = Locate(site=self.site, detector=self.detector).where()
            assert self.body is not None
            angle[row] = body_separation(self.body, time[row], dx[row], dy[row], dz[row], site)
        return angle

    def _sources(self) -> SourceList:
        assert self.sources is not None
        if _is_file(self.sources):
            return _read(str(self.sources), file_digest(str(self.sources)))
        names = (self.sources,) if isinstance(self.sources, str) else self.sources
        found = [bundled()[name] for name in names]
        return SourceList(
            tuple(s.name for s in found), np.array([s.ra for s in found]), np.array([s.dec for s in found])
        )


def sky_select(chunk: Chunk, **conditions: Any) -> Chunk:
    """Select events by where on the sky they come from.

    Parameters
    ----------
    chunk : Chunk
        After `locate`.
    **conditions
        The attributes of `SkySelect`: ``sources, body, radius_deg, zenith_deg,
        declination_deg, galactic_latitude_deg, mode, site, detector``.

    Returns
    -------
    Chunk
        Every table has the selected events only; with ``mode="mark"`` all of them, and
        the column ``selected``.

    Raises
    ------
    ConfigError, UnknownNameError
        Conditions that do not go together, or a source that is not there.
    FormatError
        The events have no position.
    """
    return SkySelect(**conditions)(chunk)


def _is_file(sources: str | tuple[str, ...] | None) -> bool:
    if not isinstance(sources, str):
        return False
    return Path(sources).is_file() or Path(sources).suffix.lower() in (".csv", ".fits", ".fit", ".txt")


@functools.lru_cache(maxsize=16)
def _read(path: str, digest: str) -> SourceList:
    return SourceList.open(path)


def _column(chunk: Chunk, name: str) -> Any:
    if name not in chunk.events:
        raise FormatError(
            f"the events have no column {name!r}",
            where=repr(chunk),
            remedy="put the stages 'best_track' and 'locate' before",
        )
    return chunk.events.flat(name)


def _within(angle: Any, limits: Range) -> Any:
    low, high = np.radians(limits)
    return (angle >= low) & (angle <= high)


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    if value is None:
        return
    if len(value) != 2 or not low <= value[0] < value[1] <= high:
        raise ConfigError(f"{name} = {value!r}", remedy=f"give two degrees that rise, from {low} to {high}")
