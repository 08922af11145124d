"""Calibrate hits: time from tdc, t0 and slewing; position and direction of the PMT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.detector import Detector, Orientations, StringShapes
from km3gpu.errors import CalibrationError, ConfigError, GeometryError, UnknownNameError
from km3gpu.kernels import calibrate as kernel
from km3gpu.kernels import segments
from km3gpu.stages import pmts
from km3gpu.stages import quality as judged
from km3gpu.stages.geometry import DetectorLike, detector_files, detector_of
from km3gpu.stages.motion import Motion, static
from km3gpu.stages.quality import Policy
from km3gpu.stages.slewing import Slewing, slewing_table
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["Calibrate", "calibrate"]

_RAW = ("dom_id", "channel_id", "tdc", "tot")
_PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_MADE = ("t", *_PLACE)
_ALSO = ("du", "floor", "pmt_id")
_TABLES = {"offline": ("hits",), "daq": ("hits", "triggered_hits")}
_OF_OTHERS = np.uint8(0xFF & ~int(judged.UNKNOWN | judged.STATUS | judged.Quality.LONG_TOT))


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
        ``"table"``: Jpp's table of 256 entries; ``"parametric1"``,
        ``"parametric2"``: older formulas; ``"none"``: no correction.
    dtype : str
        ``"float64"`` or ``"float32"`` for positions and directions; the time is
        always float64.
    also : tuple of str
        Properties of the PMT to add: ``"du"``, ``"floor"``, ``"pmt_id"``.
    unknown, long_tot, status : {"error", "drop", "mark"}
        What happens to hits without a PMT in the detector description, with a
        time over threshold above 255 ns, and of PMTs or modules whose status
        says that they are off: an error, they are left out, or they are kept
        with a bit in the column ``quality`` (see `Quality`; those without a PMT
        have NaN for time and place).  They are counted in any case.
    mc_hits : bool
        Place simulated hits too, by ``pmt_id``; their times are true already.
    orientations : str or Orientations, optional
        Measured orientations, by which modules are turned.
    shapes : str or StringShapes, optional
        Acoustic fits, by which strings are bent.
    update : float
        Seconds that one moved geometry holds.
    outside : {"error", "nearest", "static"}
        What happens at times without measurements before and after.
    uncovered : {"error", "static"}
        What happens to modules without measurements.
    check : bool
        Compare with the calibrated values that the file itself holds, and
        count the largest differences.
    force : bool
        Calibrate hits again that were calibrated before.
    """

    name: ClassVar[str] = "calibrate"

    detector: DetectorLike
    slewing: Slewing = "table"
    dtype: Literal["float64", "float32"] = "float64"
    also: tuple[str, ...] = _ALSO
    unknown: Policy = "error"
    long_tot: Policy = "mark"
    status: Policy = "mark"
    mc_hits: bool = False
    orientations: str | Orientations | None = None
    shapes: str | StringShapes | None = None
    update: float = 600.0
    outside: Literal["error", "nearest", "static"] = "error"
    uncovered: Literal["error", "static"] = "error"
    check: bool = field(default=False, metadata={"shapes": False})
    force: bool = False

    def __post_init__(self) -> None:
        slewing_table(self.slewing)
        if self.dtype not in ("float64", "float32"):
            raise ConfigError(f"unknown dtype {self.dtype!r}", remedy="take 'float64' or 'float32'")
        object.__setattr__(self, "also", tuple(self.also))  # a plan gives a list
        for name in self.also:
            if name not in _ALSO:
                raise ConfigError(str(UnknownNameError.of("property of a PMT", name, _ALSO)))
        judged.check_policy(**self._policies())
        self._motion()

    def _policies(self) -> dict[str, str]:
        return {"unknown": self.unknown, "long_tot": self.long_tot, "status": self.status}

    def _motion(self) -> Motion:
        return Motion(self.orientations, self.shapes, self.update, self.outside, self.uncovered)

    def _added(self, simulated: bool) -> tuple[str, ...]:
        """Give the properties of PMTs to add; simulated hits hold the PMT and lack the module."""
        return ("dom_id", "channel_id", *(c for c in self.also if c != "pmt_id")) if simulated else self.also

    def inputs(self) -> tuple[str, ...]:
        """Give the detector file, and those of its motion."""
        return detector_files(self.detector) + self._motion().files()

    def reads(self, kind: str) -> Columns:
        """Give the raw columns of every table of hits, and the file's own result to check against."""
        columns = _RAW + (_MADE if self.check and kind == "offline" else ())
        wanted = dict.fromkeys(_TABLES.get(kind, ("hits",)), columns)
        if self.mc_hits and kind == "offline":
            wanted["mc_hits"] = ("pmt_id",)
        return {**wanted, "events": ("det_id", "time_ns") if self._motion().any else ("det_id",)}

    def writes(self, kind: str) -> Columns:
        """Give time, position, direction and what else is asked for, of every table of hits."""
        marks = ("quality",) if "mark" in self._policies().values() else ()
        made: dict[str, tuple[str, ...]] = dict.fromkeys(
            _TABLES.get(kind, ("hits",)), (*_MADE, *self.also, *marks)
        )
        if self.mc_hits and kind == "offline":
            marks = ("quality",) if "mark" in (self.unknown, self.status) else ()
            made["mc_hits"] = (*_PLACE, *self._added(simulated=True), *marks)
        return made

    def apply(self, chunk: Chunk) -> Result:
        """Calibrate ``hits`` and, where the chunk has them, ``triggered_hits`` (and ``mc_hits``)."""
        detector = detector_of(self.detector)
        counters: dict[str, float] = {}
        tables: dict[str, Table] = {}
        for name in ("hits", "triggered_hits", *(("mc_hits",) if self.mc_hits else ())):
            if name in chunk:
                tables |= self._table(chunk, name, detector, counters)
        if not tables:
            raise CalibrationError(
                "there are no hits to calibrate", where=repr(chunk), remedy="read the table 'hits'"
            )
        return tables, counters

    def _table(
        self, chunk: Chunk, name: str, detector: Detector, counters: dict[str, float]
    ) -> dict[str, Table]:
        table = chunk.tables[name]
        if "calibration" in table.attrs and not self.force:
            raise CalibrationError(
                f"{name} are already calibrated ({table.attrs['calibration']})",
                where=repr(chunk),
                remedy="pass force=True to calibrate them again from tdc",
            )
        simulated = name == "mc_hits"
        where = f"{name} of {chunk.source.path}"
        try:
            made = self._made(chunk, table, detector, simulated)
        except GeometryError as error:
            if simulated:
                raise GeometryError(error.what, where=where, remedy=error.remedy) from error
            dom_id = table.flat("dom_id")
            raise detector.misfit(error, dom_id, det_id=_det_id(chunk), where=where) from error
        row = pmts.rows_of(table, detector, simulated)
        bits = judged.judge(detector, row, None if simulated else table.flat("tot"))
        policies = self._policies()
        if simulated:
            del policies["long_tot"]
        counts, keep = judged.verdict(bits, policies, where)
        counters[name] = len(table)
        counters |= {f"{name}_{kind}": n for kind, n in counts.items()}
        if self.check and all(c in table for c in made):
            counters.update(_differences(name, table, made, row))
        made |= pmts.properties(detector, row, self._added(simulated))
        if "mark" in policies.values():
            # what a veto found stays
            made["quality"] = bits | table.flat("quality") & _OF_OTHERS if "quality" in table else bits
        done = table.with_columns(attrs={"calibration": self._told(detector, simulated)}, **made)
        return judged.drop(chunk, done, keep)

    def _made(self, chunk: Chunk, table: Table, detector: Detector, simulated: bool) -> dict[str, Any]:
        """Give time and place of all hits, geometry by geometry."""
        motion = self._motion()
        moved = motion.detectors(detector, chunk) if motion.any else static(detector, table.n_events)
        run = self._place if simulated else self._calibrate
        made: dict[str, Any] = {}
        for at_the_time, events in moved:
            if events.all():
                return run(table, at_the_time, None)
            index = _hits_of(table, events)
            for column, values in run(table, at_the_time, index).items():
                if column not in made:
                    made[column] = backend.namespace(values).empty(len(table), values.dtype)
                made[column][index] = values
        return made or run(table, detector, None)

    def _calibrate(self, table: Table, detector: Detector, index: Any | None) -> dict[str, Any]:
        columns = (table.flat(c) for c in _RAW)
        dom_id, channel_id, tdc, tot = (c if index is None else c[index] for c in columns)
        return kernel.hits(
            dom_id,
            channel_id,
            tdc,
            tot,
            pmts.lookup(detector, backend.of(dom_id)),
            slewing=slewing_table(self.slewing),
            offsets=table.offsets if index is None else None,
            dtype=np.dtype(self.dtype),
            missing="raise" if self.unknown == "error" else "nan",
        )

    def _place(self, table: Table, detector: Detector, index: Any | None) -> dict[str, Any]:
        pmt_id = table.flat("pmt_id") if index is None else table.flat("pmt_id")[index]
        return kernel.pmt_hits(
            pmt_id,
            pmts.lookup(detector, backend.of(pmt_id), by_pmt=True),
            offsets=table.offsets if index is None else None,
            dtype=np.dtype(self.dtype),
            missing="raise" if self.unknown == "error" else "nan",
        )

    def _told(self, detector: Detector, simulated: bool) -> str:
        slewing = "" if simulated else f" slewing={self.slewing}"
        moved = "".join(f" {name}={digest}" for name, digest in self._motion().digests().items())
        return f"{detector.digest}{slewing}{moved}"


def calibrate(chunk: Chunk, detector: DetectorLike, slewing: Slewing = "table", **options: Any) -> Chunk:
    """Calibrate the hits of a chunk.

    Parameters
    ----------
    chunk : Chunk
        With table ``hits`` (``dom_id``, ``channel_id``, ``tdc``, ``tot``), and
        ``triggered_hits`` where the file has them.
    detector : Detector or str
        Detector description, or the path of one.
    slewing : {"table", "parametric1", "parametric2", "none"}
        Correction of the time for the time over threshold.
    **options
        Other fields of `Calibrate`.

    Returns
    -------
    Chunk
        Its hits have ``t`` (n_hits,) float64 [ns], ``pos_x, pos_y, pos_z`` [m]
        and ``dir_x, dir_y, dir_z`` in the detector frame; ``du, floor, pmt_id``;
        and ``quality`` (see `Quality`).

    Raises
    ------
    GeometryError
        A module or channel that the detector does not have.
    CalibrationError
        The hits are calibrated already, or there are no measurements for the
        time of an event.
    """
    return Calibrate(detector=detector, slewing=slewing, **options)(chunk)


def _hits_of(table: Table, events: np.ndarray) -> Any:
    """Give the rows of the hits of some events."""
    xp = backend.namespace(table.offsets)
    return xp.flatnonzero(xp.asarray(events)[segments.expand(table.offsets)])


def _det_id(chunk: Chunk) -> int | None:
    """Give the detector that the data say they are of."""
    events = chunk.tables.get("events")
    known = events is not None and "det_id" in events and len(events) > 0
    return int(events.flat("det_id")[0]) if known and events is not None else None


def _differences(name: str, stored: Table, made: Mapping[str, Any], row: Any) -> dict[str, float]:
    """Give the largest differences between the file's own calibration and ours."""
    known = row >= 0
    found = {f"{name}_compared": float(known.sum())}
    for quantity, columns in (("t_ns", ("t",)), ("pos_m", _PLACE[:3]), ("dir", _PLACE[3:])):
        apart = [abs(stored.flat(c) - made[c])[known] for c in columns if c in made]
        found[f"max_{name}_{quantity}"] = max((float(d.max()) for d in apart if len(d)), default=0.0)
    return found
