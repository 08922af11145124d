"""Select the hits that the vertex or the track of their event can have caused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from km3gpu.chunk import Chunk
from km3gpu.detector.water import KM3NET
from km3gpu.errors import ConfigError
from km3gpu.stages.light_select import HITS, SOURCE, compare, water_of
from km3gpu.stages.marking import Mode, check_mode, finish, marks
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["Causality", "causality"]


@dataclass(frozen=True)
class Causality(Stage):
    """Select the hits that fit the vertex or the track of their event.

    With a vertex at ``t0``, a hit ``d`` away fits where ``|t - t0| <= d / v +
    margin`` (``v`` the speed of light in water): light could have gone from one
    to the other.  With a track it fits where its Cherenkov residual is at most
    `margin_ns` in size.  A hit without time or place, or of an event without a
    track, does not fit.

    Attributes
    ----------
    about : {"vertex", "track"}
        The position of the best track as a point, or the track.
    margin_ns : float
        For errors of time and place, and scattering.
    mode : {"keep", "drop", "mark"}
        Keep only these hits, all but these, or all, with the column ``causal``.
    n_phase, n_group : float
        Indices of refraction.
    """

    name: ClassVar[str] = "causality"

    about: Literal["vertex", "track"] = "vertex"
    margin_ns: float = 50.0
    mode: Mode = "keep"
    n_phase: float = KM3NET.n_phase
    n_group: float = KM3NET.n_group

    def __post_init__(self) -> None:
        check_mode(self.mode)
        if self.about not in ("vertex", "track"):
            raise ConfigError(f"about = {self.about!r}", remedy="take 'vertex' or 'track'")
        if not self.margin_ns >= 0:
            raise ConfigError(f"margin_ns = {self.margin_ns}", remedy="give 0 ns or more")
        water_of("track", self.n_phase, self.n_group)

    def reads(self, kind: str) -> Columns:
        """Give time and place of hits, and the tracks of events, which earlier stages make."""
        return {"hits": HITS, "events": SOURCE}

    def requires(self, kind: str) -> Columns:
        """Give the same: nothing can be done without."""
        return self.reads(kind)

    def writes(self, kind: str) -> Columns:
        """Give the column of marks."""
        return marks(self.mode, "causal")

    def apply(self, chunk: Chunk) -> Result:
        """Select."""
        light = "track" if self.about == "track" else "shower"
        residual, distance, lost = compare(chunk, light, self.n_phase, self.n_group)
        earliest: Any = -self.margin_ns
        if self.about == "vertex":
            # a residual counts from the light that left the vertex at t0
            earliest = earliest - distance * (2.0 / water_of(light, self.n_phase, self.n_group).speed)
        chosen = (residual >= earliest) & (residual <= self.margin_ns)
        tables, counters = finish(chunk, chunk.hits, chosen, "causal", self.mode)
        return tables, {"events": float(chunk.n_events), "events_without": lost, **counters}


def causality(
    chunk: Chunk, about: Literal["vertex", "track"] = "vertex", margin_ns: float = 50.0, **options: Any
) -> Chunk:
    """Select the hits that the vertex or the track of their event can have caused.

    Parameters
    ----------
    chunk : Chunk
        With calibrated ``hits``, after `best_track`.
    about : {"vertex", "track"}
        The position of the best track as a point, or the track.
    margin_ns : float
        For errors of time and place, and scattering.
    **options
        Other attributes of `Causality`: ``mode, n_phase, n_group``.

    Returns
    -------
    Chunk
        Its hits are those selected, or marked in ``causal``.

    Raises
    ------
    ConfigError, CalibrationError, FormatError
        As for `km3gpu.stages.light_select`.
    """
    return Causality(about=about, margin_ns=margin_ns, **options)(chunk)
