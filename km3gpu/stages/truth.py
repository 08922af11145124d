"""Label hits of simulated events as signal or noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.kernels import segments
from km3gpu.stages import pmts
from km3gpu.stages.geometry import DetectorLike, detector_files, detector_of
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table
from km3gpu.trigger import truth as matching

__all__ = ["Truth", "truth"]


@dataclass(frozen=True)
class Truth(Stage):
    """Tell simulated light from noise, by matching hits with simulated hits.

    A hit is signal where its PMT has a simulated hit at its time, less the
    offset between the two clocks, which is found event by event (see
    `km3gpu.trigger.truth`).  The window was fixed before anything was scored
    with it.

    Attributes
    ----------
    detector : str or Detector, optional
        Says which PMT a hit is of; None takes the hits' own ``pmt_id``.
    early, late : float
        A hit fits a simulated one from so long before it to so long after it [ns].
    width : float
        Width of the interval that the offset is found in [ns].
    """

    name: ClassVar[str] = "truth"

    detector: DetectorLike | None = None
    early: float = 10.0
    late: float = 15.0
    width: float = 10.0

    def __post_init__(self) -> None:
        for name in ("early", "late", "width"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ConfigError(f"{name} must be 0 ns or more, not {getattr(self, name)}")

    def inputs(self) -> tuple[str, ...]:
        """Give the detector file."""
        return detector_files(self.detector)

    def reads(self, kind: str) -> Columns:
        """Give PMT and time of hits and of simulated hits."""
        own = ("pmt_id",) if self.detector is None else ("dom_id", "channel_id")
        return {"hits": (*own, "t"), "mc_hits": ("pmt_id", "t", "origin")}

    def writes(self, kind: str) -> Columns:
        """Give the labels of hits, and the offsets of events."""
        return {"hits": ("signal", "mc_hit", "origin"), "events": ("mc_offset",)}

    def apply(self, chunk: Chunk) -> Result:
        """Label the hits by the simulated hits of the chunk itself."""
        if "mc_hits" not in chunk or not {"pmt_id", "t"} <= set(chunk.mc_hits.columns):
            raise FormatError(
                "there are no simulated hits to match with",
                where=repr(chunk),
                remedy="read the table 'mc_hits', or call truth with the simulation of another file",
            )
        return self.label(chunk, chunk.mc_hits)

    def label(self, chunk: Chunk, simulated: Table) -> Result:
        """Label the hits by given simulated hits.

        Parameters
        ----------
        chunk : Chunk
            With calibrated hits.
        simulated : Table
            As many events, with ``pmt_id`` and ``t``, and ``origin`` where known.
        """
        hits = chunk.hits
        if "t" not in hits:
            raise CalibrationError("hits have no t", where=repr(chunk), remedy="calibrate them first")
        pmt = self._pmt(hits)
        found = matching.match(
            hits.offsets, pmt, hits.flat("t"),
            simulated.offsets, simulated.flat("pmt_id"), simulated.flat("t"),
            early=self.early, late=self.late, width=self.width,
        )  # fmt: skip
        made = {"signal": found.signal, "mc_hit": found.mc_hit}
        xp = backend.namespace(found.signal)
        if "origin" in simulated and len(simulated):
            event = segments.expand(hits.offsets)
            row = xp.where(found.signal, found.mc_hit + simulated.offsets[event], 0)
            made["origin"] = xp.where(found.signal, simulated.flat("origin")[row], -1).astype(np.int32)
        tables = {"hits": hits.with_columns(**made)}
        if "events" in chunk:
            tables["events"] = chunk.events.with_columns(mc_offset=found.offset)
        known = xp.isfinite(found.offset)
        return tables, {
            "events": float(known.sum()),
            "events_without_offset": float((~known).sum()),
            "hits": float(len(hits)),
            "signal": float(found.signal.sum()),
        }

    def _pmt(self, hits: Table) -> Any:
        if self.detector is None:
            return hits.flat("pmt_id")
        detector = detector_of(self.detector)
        return pmts.properties(detector, pmts.rows_of(hits, detector), ("pmt_id",))["pmt_id"]


def truth(
    chunk: Chunk, detector: DetectorLike | None = None, simulation: Chunk | None = None, **options: Any
) -> Chunk:
    """Label hits of simulated events as signal or noise.

    Parameters
    ----------
    chunk : Chunk
        Simulated events with calibrated ``hits``.
    detector : Detector or str, optional
        See `Truth`.
    simulation : Chunk, optional
        The simulated hits, where another file holds them: DAQ events take the
        entry that their ``trigger_counter`` says.  By default ``mc_hits`` of
        `chunk` itself.
    **options
        Other fields of `Truth`.

    Returns
    -------
    Chunk
        Its hits have ``signal`` (bool), ``mc_hit`` (row of the simulated hit
        within its event, -1 for noise) and ``origin`` (the track that made the
        light, -1 for noise); its events ``mc_offset`` [ns], NaN for an event
        that could not be labelled, which has no signal then.  Events whose
        simulated event is not in `simulation` are counted.

    Raises
    ------
    FormatError
        There are no simulated hits, or those of none of the events.
    CalibrationError
        The hits have no time.
    """
    stage = Truth(detector=detector, **options)
    if simulation is None:
        return stage(chunk)
    counter = backend.Backend.to_host(chunk.events.flat("trigger_counter")).astype(np.int64)
    entry = counter - simulation.source.start
    known = (entry >= 0) & (entry < simulation.mc_hits.n_events)
    if len(entry) and not known.any():
        raise FormatError(
            f"events are of simulated events {int(counter.min())} to {int(counter.max())},"
            f" none of which is among {simulation.source.start} to {simulation.source.stop - 1}",
            where=repr(chunk),
            remedy="give the simulation that these events were made of",
        )
    where = backend.of(chunk.hits.offsets)
    simulated = simulation.mc_hits.take_events(where.to_device(np.where(known, entry, 0)))
    simulated = simulated.filter(where.to_device(known)[segments.expand(simulated.offsets)])
    tables, counters = stage.label(chunk, simulated)
    counters = {**counters, "events_without_simulation": float((~known).sum())}
    told = f"{stage.fingerprint()} simulation={simulation.id}"
    return chunk.evolve(told, tables, {f"{stage.name}/{k}": v for k, v in counters.items()})
