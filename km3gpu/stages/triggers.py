"""Run the triggers of the data filter over the hits of events or timeslices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.stages.calibrate import Calibrate
from km3gpu.stages.geometry import DetectorLike, detector_files
from km3gpu.stages.quality import Policy, Quality
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table
from km3gpu.trigger import finding, sets
from km3gpu.trigger.parameters import TriggerParameters

__all__ = ["Triggers", "hits_for_triggers", "parameters_of", "placed_hits", "triggers"]

ParametersLike: TypeAlias = str | TriggerParameters

_RAW = ("dom_id", "channel_id", "tdc", "tot")
_MADE = ("trigger_mask", "overlays", "t_first", "t_last", "n_hits")
# a long time over threshold spoils neither time nor place
_UNFIT = ~int(Quality.LONG_TOT) & 0xFF


@dataclass(frozen=True)
class Triggers(Stage):
    """Find what the triggers 3DMuon, 3DShower, MXShower and NB find.

    The steps are those of Jpp's data filter: L1 and L2 coincidences, the
    triggers on them, and what overlaps put together as one triggered event.
    Hits that have a bit in the column ``quality`` (vetoed PMTs, say) take no part,
    but for long times over threshold.

    Attributes
    ----------
    detector : str or Detector, optional
        Hits are calibrated with it for this stage alone, without slewing, as
        the data filter does; None takes time and place that the hits have.
    parameters : str or TriggerParameters, optional
        Name of a set (``km3gpu.trigger.sets.names()``), or a TOML file.  None
        takes those that the data came with, else the set for its detector.
    unknown : {"error", "mark"}
        What happens to hits without a PMT in the detector description: an
        error, or they take no part (and are counted as unfit).
    """

    name: ClassVar[str] = "triggers"

    detector: DetectorLike | None = None
    parameters: ParametersLike | None = None
    unknown: Literal["error", "mark"] = "error"

    def __post_init__(self) -> None:
        if isinstance(self.parameters, str) and not self.parameters.endswith(".toml"):
            sets.named(self.parameters)
        if self.unknown not in ("error", "mark"):
            raise ConfigError(f"unknown = {self.unknown!r}", remedy="take 'error' or 'mark'")

    def inputs(self) -> tuple[str, ...]:
        """Give the files of the detector and of the parameters."""
        files = detector_files(self.detector)
        given = self.parameters
        return (*files, given) if isinstance(given, str) and given.endswith(".toml") else files

    def reads(self, kind: str) -> Columns:
        """Give the raw columns of hits where they are calibrated here, else the calibrated ones."""
        columns = _RAW if self.detector is not None else finding.HIT_COLUMNS
        return {"hits": columns, "events": ("det_id", "trigger_mask")}

    def writes(self, kind: str) -> Columns:
        """Give the bits of hits and events, and the table of triggered events."""
        return {
            "hits": ("trigger_mask",),
            "events": ("trigger_mask", "stored_trigger_mask"),
            "triggers": _MADE,
        }

    def apply(self, chunk: Chunk) -> Result:
        """Add ``trigger_mask`` to hits and events, and the table ``triggers``."""
        parameters = parameters_of(self.parameters, chunk)
        hits = hits_for_triggers(chunk, self.detector, self.unknown)
        found = finding.find(chunk.hits.offsets, hits, parameters)
        told = {"parameters": parameters.name}
        tables = {
            "hits": chunk.hits.with_columns(trigger_mask=found.hit_mask),
            "triggers": Table("triggers", found.columns, found.offsets, told),
        }
        if "events" in chunk:
            events = chunk.events
            if "trigger_mask" in events and "stored_trigger_mask" not in events:
                events = events.with_columns(stored_trigger_mask=events.flat("trigger_mask"))
            tables["events"] = events.with_columns(told, trigger_mask=found.event_mask)
        unfit = backend.namespace(hits["t"]).isnan(hits["t"])
        return tables, {**found.counters, "hits_unfit": float(unfit.sum())}


def triggers(
    chunk: Chunk,
    detector: DetectorLike | None = None,
    parameters: ParametersLike | None = None,
    unknown: Literal["error", "mark"] = "error",
) -> Chunk:
    """Run the triggers of the data filter over the hits of a chunk.

    Parameters
    ----------
    chunk : Chunk
        Events or timeslices, with ``hits``.
    detector : Detector or str, optional
        See `Triggers`.
    parameters : TriggerParameters or str, optional
        See `Triggers`.
    unknown : {"error", "mark"}
        See `Triggers`.

    Returns
    -------
    Chunk
        Its hits have ``trigger_mask`` (uint64, Jpp's bits); its events have
        it too, and what the file held as ``stored_trigger_mask``.  The table
        ``triggers`` has one row for each triggered event that was found in an
        event or slice: ``trigger_mask, overlays, t_first, t_last`` [ns] and
        ``n_hits``.

    Raises
    ------
    ConfigError
        There is no such set of parameters, or none for this detector.
    CalibrationError
        The hits are not calibrated and there is no detector to do it with.
    """
    return Triggers(detector=detector, parameters=parameters, unknown=unknown)(chunk)


def parameters_of(given: ParametersLike | None, chunk: Chunk | None) -> TriggerParameters:
    """Give the parameters themselves.

    Parameters
    ----------
    given : TriggerParameters or str, optional
        See `Triggers`.
    chunk : Chunk, optional
        Where to look for them when nothing is given.

    Raises
    ------
    ConfigError
        There are none.
    """
    if isinstance(given, TriggerParameters):
        return given
    if isinstance(given, str):
        return sets.from_toml(given) if given.endswith(".toml") else sets.named(given)
    events = chunk.tables.get("events") if chunk is not None else None
    if events is not None and "trigger_parameters" in events.attrs:
        return sets.from_json(events.attrs["trigger_parameters"])
    det_id = (
        int(events.flat("det_id")[0]) if events is not None and "det_id" in events and len(events) else None
    )
    name = sets.for_detector(det_id)
    if name is None:
        raise ConfigError(
            "the data hold no trigger parameters"
            + ("" if det_id is None else f", and there is no set for detector {det_id}"),
            remedy=f"give parameters: a TOML file, or one of {', '.join(sets.names())}",
        )
    return sets.named(name)


def hits_for_triggers(
    chunk: Chunk, detector: DetectorLike | None, unknown: Policy = "error"
) -> dict[str, Any]:
    """Give the columns that `finding.find` needs; unfit hits have NaN for their time.

    Parameters
    ----------
    chunk, detector, unknown
        As for `placed_hits`.

    Raises
    ------
    CalibrationError
        The hits are not calibrated and there is no detector.
    """
    columns, fit = placed_hits(chunk, detector, unknown)
    if not bool(fit.all()):
        columns["t"] = backend.namespace(fit).where(fit, columns["t"], np.nan)
    return columns


def placed_hits(
    chunk: Chunk, detector: DetectorLike | None, unknown: Policy = "error"
) -> tuple[dict[str, Any], Any]:
    """Give time and place of hits as triggers take them, and which hits may take part.

    Parameters
    ----------
    chunk : Chunk
        With ``hits``.
    detector : Detector or str, optional
        See `Triggers`.
    unknown : {"error", "mark"}
        What happens to hits without a PMT in the detector description: with
        ``"mark"`` they have NaN for time and place, and take no part.

    Returns
    -------
    columns : dict of str to (n,) array
        `finding.HIT_COLUMNS`.
    fit : (n,) bool array
        False for a hit whose ``quality`` forbids it.

    Raises
    ------
    CalibrationError
        The hits are not calibrated and there is no detector.
    """
    hits = chunk.hits
    if detector is not None:
        raw = Table("hits", {c: hits.flat(c) for c in _RAW}, hits.offsets)
        bare = Chunk(chunk.source, {k: v for k, v in chunk.tables.items() if k == "events"} | {"hits": raw})
        stage = Calibrate(detector=detector, slewing="none", also=(), unknown=unknown)
        made = stage.apply(bare)[0]["hits"]
    else:
        made = hits
        if lacking := [c for c in finding.HIT_COLUMNS if c not in hits]:
            raise CalibrationError(
                f"hits have no {', '.join(lacking)}",
                where=repr(chunk),
                remedy="give a detector, or calibrate them first",
            )
    columns = {c: made.flat(c) for c in finding.HIT_COLUMNS}
    fit = backend.namespace(columns["t"]).ones(len(hits), bool)
    for table in (made, hits):
        if "quality" in table:
            fit &= (table.flat("quality") & np.uint8(_UNFIT)) == 0
    return columns, fit
