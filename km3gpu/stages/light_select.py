"""Select hits by the light of their event's track or shower: when it comes, and how far away it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.detector.water import KM3NET, Water
from km3gpu.errors import ConfigError
from km3gpu.kernels import light as kernel
from km3gpu.stages.marking import Mode, calibrated, check_mode, finish, marks, of_events
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["HITS", "SOURCE", "Light", "LightSelect", "compare", "light_select", "water_of"]

Light: TypeAlias = Literal["track", "shower"]

HITS = ("t", "pos_x", "pos_y", "pos_z")
"""What is asked of hits."""

SOURCE = (
    "track_t", "track_pos_x", "track_pos_y", "track_pos_z", "track_dir_x", "track_dir_y", "track_dir_z",
)  # fmt: skip
"""Columns of the events that say where light comes from, as `BestTrack` makes them."""


@dataclass(frozen=True)
class LightSelect(Stage):
    """Compare hits with the light of the best track or shower of their event, and select by it.

    Adds the columns ``residual``, how much later than the direct light the hit
    came, and ``distance``, from the track or shower.  Hits within both ranges
    given are selected; a hit without time or place, or of an event without a
    track, is not.  Without a range nothing is selected, and the columns are all.

    Attributes
    ----------
    light : {"track", "shower"}
        Cherenkov light of an endless track, or light of a point.
    residual_ns : (float, float), optional
        Range of the residual, both ends included.
    road_m : float, optional
        Largest distance.
    mode : {"keep", "drop", "mark"}
        Keep only the selected hits, all but these, or all, with the column ``on_light``.
    n_phase, n_group : float
        Indices of refraction.
    """

    name: ClassVar[str] = "light_select"

    light: Light = "track"
    residual_ns: tuple[float, float] | None = None
    road_m: float | None = None
    mode: Mode = "keep"
    n_phase: float = KM3NET.n_phase
    n_group: float = KM3NET.n_group

    def __post_init__(self) -> None:
        check_mode(self.mode)
        water_of(self.light, self.n_phase, self.n_group)
        if self.residual_ns is not None:
            object.__setattr__(self, "residual_ns", tuple(self.residual_ns))  # a plan gives a list
            if len(self.residual_ns) != 2 or not self.residual_ns[0] < self.residual_ns[1]:
                raise ConfigError(f"residual_ns = {self.residual_ns!r}", remedy="give two times that rise")
        if self.road_m is not None and not self.road_m > 0:
            raise ConfigError(f"road_m = {self.road_m}", remedy="give a distance above 0 m")

    def _selects(self) -> bool:
        return self.residual_ns is not None or self.road_m is not None

    def reads(self, kind: str) -> Columns:
        """Give time and place of hits, and the tracks of events, which earlier stages make."""
        return {"hits": HITS, "events": SOURCE}

    def requires(self, kind: str) -> Columns:
        """Give the same: nothing can be done without."""
        return self.reads(kind)

    def writes(self, kind: str) -> Columns:
        """Give the columns added to the hits."""
        made = ("residual", "distance")
        return {"hits": (*made, *(marks(self.mode, "on_light").get("hits", ()) if self._selects() else ()))}

    def apply(self, chunk: Chunk) -> Result:
        """Add the columns, and select."""
        residual, distance, lost = compare(chunk, self.light, self.n_phase, self.n_group)
        hits = chunk.hits.with_columns(residual=residual, distance=distance)
        counters = {"events": float(chunk.n_events), "events_without": lost}
        if not self._selects():
            return {"hits": hits}, {**counters, "hits": float(len(hits))}
        chosen = residual == residual
        if self.residual_ns is not None:
            chosen &= (residual >= self.residual_ns[0]) & (residual <= self.residual_ns[1])
        if self.road_m is not None:
            chosen &= distance <= self.road_m
        tables, counted = finish(chunk, hits, chosen, "on_light", self.mode)
        return tables, {**counters, **counted}


def light_select(chunk: Chunk, light: Light = "track", **options: Any) -> Chunk:
    """Compare hits with the light of the best track or shower of their event, and select by it.

    Parameters
    ----------
    chunk : Chunk
        With calibrated ``hits``, after `best_track`.
    light : {"track", "shower"}
        Cherenkov light of an endless track, or light of a point.
    **options
        Other attributes of `LightSelect`: ``residual_ns, road_m, mode, n_phase, n_group``.

    Returns
    -------
    Chunk
        Its hits have ``residual`` [ns] and ``distance`` [m], NaN where the event
        has no track; they are those selected, or marked in ``on_light``.

    Raises
    ------
    ConfigError
        Options that do not go together.
    CalibrationError
        The hits have no time or place.
    FormatError
        The events have no track.
    """
    return LightSelect(light=light, **options)(chunk)


def water_of(light: str, n_phase: float, n_group: float) -> Water:
    """Give the water, and check the kind of light.

    Raises
    ------
    ConfigError
        The kind is unknown, or an index is not above 1.
    """
    if light not in ("track", "shower"):
        raise ConfigError(f"light = {light!r}", remedy="take 'track' or 'shower'")
    return Water(n_phase, n_group)


def compare(chunk: Chunk, light: str, n_phase: float, n_group: float) -> tuple[Any, Any, float]:
    """Give residual [ns] and distance [m] of each hit, and the number of events without a source."""
    hits = calibrated(chunk, HITS)
    source = of_events(chunk, SOURCE, "put the stage 'best_track' before")
    columns = tuple(hits.flat(c) for c in HITS)
    if light == "track":
        residual, distance = kernel.track(hits.offsets, columns, source, n_phase=n_phase, n_group=n_group)
    else:
        residual, distance = kernel.shower(hits.offsets, columns, source[:4], n_group=n_group)
    xp = backend.namespace(residual)
    return residual, distance, float((~xp.isfinite(source[0] + source[1])).sum())
