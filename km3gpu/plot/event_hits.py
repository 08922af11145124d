"""What an event display shows, taken out of a chunk: hits, coincidences, track, strings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.detector import Detector
from km3gpu.errors import CalibrationError, UnknownNameError
from km3gpu.table import Table

__all__ = ["Hits", "Strings", "Track", "View", "columns_of", "view_of"]

# sea water at the group velocity of light, as Jpp takes it for hits and Cherenkov
# angle alike (JPhysics: INDEX_OF_REFRACTION_WATER)
REFRACTIVE_INDEX = 1.3800851282
SPEED_OF_LIGHT = 0.299792458  # m / ns


@dataclass(frozen=True)
class Hits:
    """Hits of one event: time [ns], position (n, 3) [m], time over threshold [ns], module."""

    t: np.ndarray
    pos: np.ndarray
    tot: np.ndarray
    dom_id: np.ndarray

    def __len__(self) -> int:
        return len(self.t)

    def where(self, mask: np.ndarray) -> Hits:
        """Give the hits where `mask` is true."""
        return Hits(self.t[mask], self.pos[mask], self.tot[mask], self.dom_id[mask])


@dataclass(frozen=True)
class Track:
    """A track: position [m] at time t [ns], and its direction of travel."""

    t: float
    pos: np.ndarray
    dir: np.ndarray

    def at(self, t: np.ndarray) -> np.ndarray:
        """Give the positions (n, 3) [m] of the particle at times `t` (n,) [ns]."""
        way = ((t - self.t) * SPEED_OF_LIGHT)[:, None] * self.dir
        return np.asarray(self.pos + way)

    def cherenkov_time(self, points: np.ndarray) -> np.ndarray:
        """Compute when direct Cherenkov light of the track is at `points`.

        ``t = t0 + (d + R tan(theta)) / c`` with `d` the way along the track to
        the point of closest approach, `R` the distance there, and
        ``cos(theta) = 1 / n``: Jpp's relation, which takes one refractive
        index for phase and group velocity.

        Parameters
        ----------
        points : (n, 3) float64 array
            Positions [m].

        Returns
        -------
        (n,) float64 array
            Times [ns].
        """
        way = points - self.pos
        along = way @ self.dir
        distance = np.sqrt(np.maximum((way * way).sum(axis=1) - along * along, 0.0))
        tan = np.sqrt(REFRACTIVE_INDEX**2 - 1.0)
        return np.asarray(self.t + (along + distance * tan) / SPEED_OF_LIGHT)


@dataclass(frozen=True)
class Strings:
    """Strings of a detector: position (n, 2), lowest and highest module [m], and whose modules."""

    xy: np.ndarray
    bottom: np.ndarray
    top: np.ndarray
    dom_id: np.ndarray
    string: np.ndarray

    def busiest(self, dom_id: np.ndarray, n: int) -> np.ndarray:
        """Give the up to `n` strings that most of the hits on modules `dom_id` are on."""
        if not len(self.dom_id):
            return np.zeros(0, dtype=int)
        at = np.searchsorted(self.dom_id, dom_id).clip(max=len(self.dom_id) - 1)
        string = self.string[at[self.dom_id[at] == dom_id]]
        counts = np.bincount(string, minlength=len(self.xy))
        return np.argsort(-counts, kind="stable")[: min(n, np.count_nonzero(counts))]


@dataclass(frozen=True)
class View:
    """One event, ready to be drawn.

    Attributes
    ----------
    chunk : Chunk
        Where it is from.
    row : int
        Row of the event in the chunk.
    hits, triggered : Hits
        All hits, and the triggered ones.
    clusters : mapping of str to array
        Same-module coincidences by column; empty where there are none.
    track : Track or None
        The best track.
    strings : Strings or None
        The detector's strings.
    start : float
        Time of the first triggered hit in the window [ns]; the axes count from it.
    window : (float, float)
        Times to show [ns].
    """

    chunk: Chunk
    row: int
    hits: Hits
    triggered: Hits
    clusters: Mapping[str, np.ndarray]
    track: Track | None
    strings: Strings | None
    start: float
    window: tuple[float, float]

    @property
    def shown(self) -> Hits:
        """The hits within the window."""
        return self.hits.where((self.hits.t >= self.window[0]) & (self.hits.t <= self.window[1]))


def view_of(chunk: Chunk, event: int, detector: Detector | None) -> View:
    """Take out what is drawn of one event.

    Raises
    ------
    UnknownNameError
        The chunk has no such event.
    CalibrationError
        The hits have no calibrated time and position.
    """
    if not -chunk.n_events <= event < chunk.n_events:
        raise UnknownNameError(
            f"no event {event}", where=repr(chunk), remedy=f"there are {chunk.n_events}, counted from 0"
        )
    row = event % chunk.n_events
    hits, triggered = _hits_of(chunk, row)
    start, window = _window(triggered if len(triggered) else hits)
    return View(
        chunk,
        row,
        hits,
        triggered,
        columns_of(chunk, "clusters", row),
        _track_of(chunk, row),
        None if detector is None else strings_of(detector),
        start,
        window,
    )


def _window(hits: Hits) -> tuple[float, tuple[float, float]]:
    """Find the times worth showing: around the middle 90 % of the hits, stray ones left out."""
    if not len(hits):
        return 0.0, (-100.0, 100.0)
    early, late = np.quantile(hits.t, (0.05, 0.95))
    reach = max(100.0, 0.9 * (late - early))
    low, high = max(early - reach, hits.t.min() - 100.0), min(late + 1.4 * reach, hits.t.max() + 100.0)
    return float(hits.t[hits.t >= low].min()), (float(low), float(high))


def columns_of(chunk: Chunk, table: str, event: int) -> Mapping[str, np.ndarray]:
    """Give all flat columns of one event; an empty mapping where the chunk has no such table."""
    if table not in chunk:
        return {}
    rows = chunk.tables[table]
    return {name: _rows(rows, event, name) for name in rows.columns if hasattr(rows.flat(name), "ndim")}


def _track_of(chunk: Chunk, event: int) -> Track | None:
    """Give the best track that `best_track` put into the table of events, if there is one."""
    row = columns_of(chunk, "events", event)
    if not {"track_t", "track_pos_x", "track_dir_x"} <= row.keys() or not np.isfinite(row["track_t"][0]):
        return None
    pos = np.array([row[f"track_pos_{a}"][0] for a in "xyz"], dtype=float)
    travel = np.array([row[f"track_dir_{a}"][0] for a in "xyz"], dtype=float)
    return Track(float(row["track_t"][0]), pos, travel)


def strings_of(detector: Detector) -> Strings:
    """Give the strings of a detector; base modules (floor 0) are left out."""
    m = detector.modules
    optical = m.floor > 0
    du, index = np.unique(m.du[optical], return_inverse=True)
    pos = m.pos[optical]
    n = np.bincount(index)
    xy = np.column_stack([np.bincount(index, weights=pos[:, k]) / n for k in (0, 1)])
    bottom, top = np.full(len(du), np.inf), np.full(len(du), -np.inf)
    np.minimum.at(bottom, index, pos[:, 2])
    np.maximum.at(top, index, pos[:, 2])
    order = np.argsort(m.dom_id[optical])
    return Strings(xy, bottom, top, m.dom_id[optical][order], index[order])


def _hits_of(chunk: Chunk, event: int) -> tuple[Hits, Hits]:
    hits = _hits(chunk.hits, event)
    if "triggered_hits" in chunk:  # DAQ files keep them apart
        return hits, _hits(chunk.triggered_hits, event)
    if "trig" not in chunk.hits:
        return hits, hits
    return hits, hits.where(_rows(chunk.hits, event, "trig") != 0)


def _hits(table: Table, event: int) -> Hits:
    missing = [c for c in ("t", "pos_x", "pos_y", "pos_z") if c not in table]
    if missing:
        raise CalibrationError(
            f"table {table.name!r} has no {', '.join(missing)}", remedy="calibrate the chunk first"
        )
    pos = np.column_stack([_rows(table, event, f"pos_{a}") for a in "xyz"])
    if len(pos) > 1 and not pos.any():  # as files hold them whose hits were never calibrated
        raise CalibrationError(
            f"all positions of table {table.name!r} are zero", remedy="calibrate the chunk first"
        )
    t = _rows(table, event, "t")
    tot = _rows(table, event, "tot") if "tot" in table else np.zeros(len(t))
    return Hits(t, pos, tot.astype(float), _rows(table, event, "dom_id"))


def _rows(table: Table, event: int, name: str) -> np.ndarray:
    column: Any = table.flat(name)
    if table.offsets is None:
        return Backend.to_host(column[event : event + 1])
    start, stop = int(table.offsets[event]), int(table.offsets[event + 1])
    return Backend.to_host(column[start:stop])
