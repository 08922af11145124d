"""Calibrate hits: time from tdc, t0 and slewing; position and direction of the PMT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import CalibrationError, ConfigError, GeometryError
from km3gpu.kernels import calibrate as kernel
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.stages.geometry import DetectorLike, detector_files, detector_of
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Calibrate", "calibrate"]

_RAW = ("dom_id", "channel_id", "tdc", "tot")
_MADE = ("t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_TABLES = {"offline": ("hits",), "daq": ("hits", "triggered_hits")}


@dataclass(frozen=True)
class Calibrate(Stage):
    """Give hits their calibrated time, position and direction.

    ``t = tdc + t0(dom_id, channel_id) - slew(tot)``; position and direction are
    those of the PMT in the detector description.  This is Jpp's rule: on files
    that hold Jpp's own result it gives the same to the bit for geometry and to
    rounding for the time.

    Attributes
    ----------
    detector : str or Detector
        DETX or DATX file, or an open detector.
    slewing : str
        ``"table"``: Jpp's table of 256 entries; ``"none"``: no correction.
    dtype : str
        ``"float64"`` or ``"float32"`` for positions and directions; the time is
        always float64.
    check : bool
        Compare with the calibrated values that the file itself holds, and
        count the largest differences.
    force : bool
        Calibrate hits again that were calibrated before.
    """

    name: ClassVar[str] = "calibrate"

    detector: DetectorLike
    slewing: Literal["table", "none"] = "table"
    dtype: Literal["float64", "float32"] = "float64"
    check: bool = field(default=False, metadata={"shapes": False})
    force: bool = False

    def __post_init__(self) -> None:
        if self.slewing not in ("table", "none"):
            raise ConfigError(f"unknown slewing {self.slewing!r}", remedy="take 'table' or 'none'")
        if self.dtype not in ("float64", "float32"):
            raise ConfigError(f"unknown dtype {self.dtype!r}", remedy="take 'float64' or 'float32'")

    def inputs(self) -> tuple[str, ...]:
        """Give the detector file."""
        return detector_files(self.detector)

    def reads(self, kind: str) -> Columns:
        """Give the raw columns of every table of hits, and the file's own result to check against."""
        columns = _RAW + (_MADE if self.check and kind == "offline" else ())
        hits = dict.fromkeys(_TABLES.get(kind, ("hits",)), columns)
        return {**hits, "events": ("det_id",)}

    def writes(self, kind: str) -> Columns:
        """Give time, position and direction of every table of hits."""
        return dict.fromkeys(_TABLES.get(kind, ("hits",)), _MADE)

    def apply(self, chunk: Chunk) -> Result:
        """Calibrate ``hits`` and, where the chunk has them, ``triggered_hits``."""
        detector = detector_of(self.detector)
        counters: dict[str, float] = {}
        tables: dict[str, Table] = {}
        for name in ("hits", "triggered_hits"):
            if name not in chunk:
                continue
            tables[name] = self._table(chunk, name, detector)
            counters[f"{name}"] = len(tables[name])
            if self.check and all(c in chunk.tables[name] for c in _MADE):
                counters.update(_differences(name, chunk.tables[name], tables[name]))
        if not tables:
            raise CalibrationError(
                "there are no hits to calibrate", where=repr(chunk), remedy="read the table 'hits'"
            )
        return tables, counters

    def _table(self, chunk: Chunk, name: str, detector: Any) -> Table:
        table = chunk.tables[name]
        if "calibration" in table.attrs and not self.force:
            raise CalibrationError(
                f"{name} are already calibrated ({table.attrs['calibration']})",
                where=repr(chunk),
                remedy="pass force=True to calibrate them again from tdc",
            )
        dom_id, channel_id, tdc, tot = (table.flat(c) for c in _RAW)
        lookup: PmtLookup = detector.lookup.to(backend.of(dom_id))
        try:
            made: Mapping[str, Any] = kernel.hits(
                dom_id,
                channel_id,
                tdc,
                tot,
                lookup,
                slewing=kernel.SLEWING if self.slewing == "table" else None,
                offsets=table.offsets,
                dtype=np.dtype(self.dtype),
            )
        except GeometryError as error:
            data = chunk.tables.get("events")
            det_id = (
                int(data.flat("det_id")[0]) if data is not None and "det_id" in data and len(data) else None
            )
            where = f"{name} of {chunk.source.path}"
            raise detector.misfit(error, dom_id, det_id=det_id, where=where) from error
        return table.with_columns(
            attrs={"calibration": f"{detector.digest or detector.det_id} slewing={self.slewing}"}, **made
        )


def calibrate(
    chunk: Chunk, detector: DetectorLike, slewing: Literal["table", "none"] = "table", **options: Any
) -> Chunk:
    """Calibrate the hits of a chunk.

    Parameters
    ----------
    chunk : Chunk
        With table ``hits`` (``dom_id``, ``channel_id``, ``tdc``, ``tot``), and
        ``triggered_hits`` where the file has them.
    detector : Detector or str
        Detector description, or the path of one.
    slewing : {"table", "none"}
        Correction of the time for the time over threshold.
    **options
        Other fields of `Calibrate`.

    Returns
    -------
    Chunk
        Its hits have ``t`` (n_hits,) float64 [ns], ``pos_x, pos_y, pos_z`` [m]
        and ``dir_x, dir_y, dir_z`` in the detector frame.

    Raises
    ------
    GeometryError
        A module or channel that the detector does not have.
    CalibrationError
        The hits are calibrated already.
    """
    return Calibrate(detector=detector, slewing=slewing, **options)(chunk)


def _differences(name: str, stored: Table, made: Table) -> dict[str, float]:
    """Give the largest differences between the file's own calibration and ours."""
    found: dict[str, float] = {f"{name}_compared": float(len(stored))}
    for quantity, columns in (("t_ns", ("t",)), ("pos_m", _MADE[1:4]), ("dir", _MADE[4:])):
        largest = (
            max((float(abs(stored.flat(c) - made.flat(c)).max()) for c in columns), default=0.0)
            if len(stored)
            else 0.0
        )
        found[f"max_{name}_{quantity}"] = largest
    return found
