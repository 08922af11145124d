"""Lists of sources: a bundled handful, or the user's own from CSV or FITS."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.astro.separation import separation, unit_vectors
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, UnknownNameError, closest

__all__ = ["Matches", "Source", "SourceList", "bundled", "source"]

_NAMES = ("name", "source", "source_name", "main_id", "id", "object")
_RA = ("ra", "raj2000", "ra_icrs", "_raj2000", "right_ascension")
_DEC = ("dec", "de", "decj2000", "dej2000", "de_icrs", "_dej2000", "declination")
_UNITS = {"deg": math.pi / 180.0, "degree": math.pi / 180.0, "rad": 1.0, "hourangle": math.pi / 12.0}
# events at a time, so that the matrix of separations stays in the cache
_BLOCK = 4096


@dataclass(frozen=True)
class Source:
    """One source: name, and right ascension and declination (ICRS) in radians."""

    name: str
    ra: float
    dec: float


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of events and sources within some angle of each other, by event.

    Attributes
    ----------
    event, source : (n,) int64 arrays
        Rows of the events and of the list.
    separation : (n,) float64 array
        Radians.
    """

    event: Any
    source: Any
    separation: Any

    def __len__(self) -> int:
        return len(self.event)


@dataclass(frozen=True, eq=False)
class SourceList:
    """Sources by name, with their positions (ICRS).

    Attributes
    ----------
    names : tuple of str
    ra, dec : (n,) float64 arrays
        Radians.
    columns : mapping of str to tuple of str
        Whatever else the file had, as text.
    """

    names: tuple[str, ...]
    ra: Any
    dec: Any
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row, (name, ra, dec) in enumerate(zip(self.names, self.ra, self.dec, strict=True)):
            if not (abs(dec) <= math.pi / 2 + 1e-9 and -1e-9 <= ra <= 2 * math.pi + 1e-9):
                raise FormatError(
                    f"source {name!r} of row {row} is at ra {ra!r}, dec {dec!r}: no place on the sky",
                    remedy="give the unit of the columns: unit='rad', 'deg' or 'hourangle'",
                )

    @classmethod
    def open(cls, path: str | Path, unit: str | None = None) -> SourceList:
        """Read a list from a CSV or FITS file.

        Parameters
        ----------
        path : str or Path
            It needs columns for the right ascension and the declination (``ra, dec``,
            ``RAJ2000, DEJ2000``, ...), and should have one for the name.  Lines that begin
            with ``#`` are comments.
        unit : {"deg", "rad", "hourangle"}, optional
            Of both columns (``"hourangle"``: of the right ascension, the declination is in
            degrees).  By default what a FITS column says of itself, else degrees.

        Raises
        ------
        InputNotFoundError
            There is no such file.
        FormatError
            It has no such columns, or a row is no position; the row is named.
        """
        path = Path(path)
        if not path.is_file():
            raise InputNotFoundError(f"no file {str(path)!r}", remedy="check the path")
        if unit is not None and unit not in _UNITS:
            raise ConfigError(str(UnknownNameError.of("unit", unit, _UNITS)))
        with open(path, "rb") as f:
            fits = f.read(6) == b"SIMPLE"
        columns, units = _read_fits(path) if fits else _read_csv(path)
        return cls._of_columns(columns, units, unit, str(path))

    @classmethod
    def _of_columns(
        cls, columns: dict[str, list[Any]], units: Mapping[str, str], unit: str | None, where: str
    ) -> SourceList:
        lower = {k.strip().lower(): k for k in columns}
        found = {}
        for what, known in (("right ascension", _RA), ("declination", _DEC)):
            key = next((lower[k] for k in known if k in lower), None)
            if key is None:
                have = ", ".join(columns) or "none"
                raise FormatError(
                    f"no column for the {what} (there is: {have})",
                    where=where,
                    remedy=f"call it {known[0]!r}",
                )
            found[what] = key
        name_key = next((lower[k] for k in _NAMES if k in lower), None)
        ra_key, dec_key = found["right ascension"], found["declination"]
        ra = _radians(columns[ra_key], unit or units.get(ra_key, "deg"), ra_key, where)
        dec_unit = "deg" if unit == "hourangle" else unit
        dec = _radians(columns[dec_key], dec_unit or units.get(dec_key, "deg"), dec_key, where)
        names = columns[name_key] if name_key else [f"source {i}" for i in range(len(ra))]
        rest = {
            k: tuple(str(v) for v in c) for k, c in columns.items() if k not in (ra_key, dec_key, name_key)
        }
        try:
            return cls(tuple(str(n).strip() for n in names), ra % (2 * math.pi), dec, rest)
        except FormatError as error:
            raise FormatError(error.what, where=where, remedy=error.remedy) from None

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Source]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: int | str) -> Source:
        if isinstance(key, int):
            return Source(self.names[key], float(self.ra[key]), float(self.dec[key]))
        plain = [_plain(n) for n in self.names]
        if _plain(key) not in plain:
            raise UnknownNameError.of("source", key, closest(key, self.names))
        return self[plain.index(_plain(key))]

    def nearest(self, ra: Any, dec: Any) -> tuple[Any, Any]:
        """Find the nearest source of every event.

        Parameters
        ----------
        ra, dec : (n,) arrays
            Radians (ICRS).

        Returns
        -------
        source : (n,) int64 array
            Row of the list; -1 where an event has no position.
        separation : (n,) float64 array
            Radians; NaN where it has none.

        Raises
        ------
        ConfigError
            The list is empty.
        """
        if len(self) == 0:
            raise ConfigError("an empty list has no nearest source")
        x, y, z = unit_vectors((ra, dec))
        xp = _backend.namespace(x)
        sx, sy, sz = self._vectors(xp)
        best = xp.empty(x.size, np.int64)
        for low in range(0, x.size, _BLOCK):
            s = slice(low, low + _BLOCK)
            cosines = x[s, None] * sx + y[s, None] * sy + z[s, None] * sz
            best[s] = cosines.argmax(axis=1)
        angle = separation((x, y, z), (sx[best], sy[best], sz[best]))
        return xp.where(xp.isnan(angle), -1, best), angle

    def match(self, ra: Any, dec: Any, radius: Any) -> Matches:
        """Find all pairs of an event and a source that are close to each other.

        Parameters
        ----------
        ra, dec : (n,) arrays
            Radians (ICRS).
        radius : float or (n,) array
            How close, radians; an array gives each event its own.

        Raises
        ------
        ConfigError
            A radius is none.
        """
        x, y, z = unit_vectors((ra, dec))
        xp = _backend.namespace(x)
        r = xp.broadcast_to(xp.asarray(radius, dtype=np.float64), x.shape)
        if x.size and not (float(r.min()) >= 0.0 and float(r.max()) <= math.pi):
            raise ConfigError(
                f"a radius of {radius!r} is no angle in radians", remedy="give one from 0 to pi"
            )
        sx, sy, sz = self._vectors(xp)
        events, sources = [], []
        for low in range(0, x.size, _BLOCK):
            s = slice(low, low + _BLOCK)
            # a chord keeps its digits where the cosine is 1
            chord2 = (x[s, None] - sx) ** 2 + (y[s, None] - sy) ** 2 + (z[s, None] - sz) ** 2
            event, which = xp.nonzero(chord2 <= (2.0 * xp.sin(r[s, None] / 2.0)) ** 2)
            events.append(event + low)
            sources.append(which)
        event = xp.concatenate(events) if events else xp.empty(0, np.int64)
        which = xp.concatenate(sources) if sources else xp.empty(0, np.int64)
        angle = separation((x[event], y[event], z[event]), (sx[which], sy[which], sz[which]))
        return Matches(event, which, angle)

    def _vectors(self, xp: Any) -> tuple[Any, Any, Any]:
        return unit_vectors((xp.asarray(self.ra), xp.asarray(self.dec)))


def bundled() -> SourceList:
    """Give the handful of sources that come with km3gpu."""
    with resources.as_file(resources.files("km3gpu.astro") / "sources.csv") as path:
        return SourceList.open(path)


def source(name: str) -> Source:
    """Look up one of the bundled sources; case, spaces and signs do not matter.

    Raises
    ------
    UnknownNameError
        No such source; the closest come first.
    """
    return bundled()[name]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _read_csv(path: Path) -> tuple[dict[str, list[Any]], dict[str, str]]:
    try:
        lines = [x for x in path.read_text(encoding="utf-8").splitlines() if x.strip() and x[0] != "#"]
    except UnicodeDecodeError:
        raise FormatError("this is no text", where=str(path), remedy="give a CSV or FITS file") from None
    reader = csv.DictReader(lines, restkey="", skipinitialspace=True)
    rows = list(reader)
    for i, row in enumerate(rows):
        if "" in row or None in row.values():
            raise FormatError(f"row {i} has not as many values as the header has names", where=str(path))
    return {name: [row[name] for row in rows] for name in reader.fieldnames or ()}, {}


def _read_fits(path: Path) -> tuple[dict[str, list[Any]], dict[str, str]]:
    from astropy.io import fits

    with fits.open(path) as hdus:
        table = next((h for h in hdus if isinstance(h, (fits.BinTableHDU, fits.TableHDU))), None)
        if table is None:
            raise FormatError("the FITS file has no table", where=str(path))
        columns = {c.name: list(table.data[c.name]) for c in table.columns}
        units = {c.name: c.unit.lower() for c in table.columns if c.unit}
    return columns, units


def _radians(values: list[Any], unit: str, name: str, where: str) -> Any:
    if unit not in _UNITS:
        raise FormatError(
            f"column {name!r} is in {unit!r}", where=where, remedy="give it in deg, rad or hourangle"
        )
    out = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            out[row] = float(value) * _UNITS[unit]
        except (TypeError, ValueError):
            out[row] = math.nan
        if not math.isfinite(out[row]):
            raise FormatError(f"{name} of row {row} is {value!r}, no number", where=where)
    return out
