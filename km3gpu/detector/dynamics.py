"""The detector at one time: modules turned by their compasses, strings bent by the current.

A module's orientation at time t is ``Q1 = q q(t)``, the product of the quaternion
in the detector description (1 where it has none) and the measured one.  The
description itself has turned the module's PMTs by Q0 (see `assembly.turned`), so
they are turned on by ``Q1 conj(Q0)`` about the centre of the module.

A module on a string moves to where the shape of the string puts its piezo sensor
(20 cm below its centre), whose length along the string is its distance from the
base module in the description; the horizontal offset from the base stays.

These are the rules of Jpp's ``JDynamics`` as KM3io.jl (version 0.18 and later)
describes them.  No shipped file holds a geometry that Jpp made dynamic, so what
is checked are the measured inputs, each step against a slow reading of its
formula, and invariants: a module stays rigid, no current moves nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from km3gpu.detector import assembly
from km3gpu.detector.detector import Detector
from km3gpu.detector.orientations import Orientations
from km3gpu.detector.quaternions import conjugate, normalised, product, rotate
from km3gpu.detector.strings import StringShapes, displacement
from km3gpu.errors import CalibrationError, ConfigError, GeometryError

__all__ = ["Dynamics"]

_PIEZO_Z = -0.20  # m, the piezo sensor below the centre of the module


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A detector description with what is known about its motion.

    Attributes
    ----------
    detector : Detector
        The static description.
    orientations : Orientations, optional
        Measured orientations of modules.
    shapes : StringShapes, optional
        Fitted shapes of strings.
    outside : {"error", "nearest", "static"}
        What happens at times without measurements before and after: an error,
        the nearest measurement, or the static geometry.
    missing : {"error", "static"}
        What happens to an optical module that has no measurements at all, or
        whose PMT axes do not tell its orientation.
    orientation_method : {"slerp", "jpp"}
        See `Orientations.at`.
    shape_method : {"jpp", "linear"}
        See `StringShapes.at`.
    """

    detector: Detector
    orientations: Orientations | None = None
    shapes: StringShapes | None = None
    outside: Literal["error", "nearest", "static"] = "error"
    missing: Literal["error", "static"] = "error"
    orientation_method: Literal["slerp", "jpp"] = "slerp"
    shape_method: Literal["jpp", "linear"] = "jpp"

    def __post_init__(self) -> None:
        if self.outside not in ("error", "nearest", "static"):
            raise ConfigError(f"outside={self.outside!r}", remedy="take 'error', 'nearest' or 'static'")
        if self.missing not in ("error", "static"):
            raise ConfigError(f"missing={self.missing!r}", remedy="take 'error' or 'static'")
        if self.shapes is not None and self.shapes.det_id != self.detector.det_id:
            raise GeometryError(
                f"the fits are of detector {self.shapes.det_id}, the description of {self.detector.det_id}",
                where=self.shapes.path or None,
                remedy="take the files of one detector",
            )

    def at(self, time: float) -> Detector:
        """Give the detector at one time.

        Parameters
        ----------
        time : float
            Unix seconds.

        Returns
        -------
        Detector
            Of version 5; quaternions are those of the modules that were turned.

        Raises
        ------
        CalibrationError
            There is no measurement for that time, or for a module.
        GeometryError
            A string has no base module to be anchored at.
        """
        d = self.detector
        module_pos, pmt_pos, pmt_dir = d.modules.pos.copy(), d.pmts.pos.copy(), d.pmts.dir.copy()
        of_pmt = np.repeat(np.arange(d.n_modules), d.modules.n_pmts)
        if self.shapes is not None:
            module_pos = self._bent(time, self.shapes)
            pmt_pos += (module_pos - d.modules.pos)[of_pmt]
        quaternion = _unit_quaternions(d)
        if self.orientations is not None:
            rows, measured = self._measured(time, self.orientations)
            quaternion[rows] = normalised(product(quaternion[rows], measured))
            turn = np.tile([1.0, 0.0, 0.0, 0.0], (d.n_modules, 1))
            turn[rows] = product(quaternion[rows], conjugate(self._drawn[rows]))
            arm = pmt_pos - module_pos[of_pmt]
            moved = np.isin(of_pmt, rows)
            pmt_pos[moved] += (rotate(turn[of_pmt], arm) - arm)[moved]
            pmt_dir[moved] = rotate(turn[of_pmt], pmt_dir)[moved]
        return d.replace(
            version=5,
            comments=(*d.comments, f"km3gpu: geometry at unix time {time!r} s"),
            modules=replace(d.modules, pos=module_pos, quaternion=quaternion),
            pmts=replace(d.pmts, pos=pmt_pos, dir=pmt_dir),
        )

    @functools.cached_property
    def _drawn(self) -> np.ndarray:
        """How the description has turned each module, (n, 4); NaN where it does not tell."""
        return assembly.turned(self.detector.modules, self.detector.pmts)[0]

    def _measured(self, time: float, source: Orientations) -> tuple[np.ndarray, np.ndarray]:
        """Give the modules to be turned, and their measured orientations."""
        m = self.detector.modules
        known, q = source.at(
            time,
            method=self.orientation_method,
            outside="nan" if self.outside == "static" else self.outside,
        )
        optical = np.flatnonzero(m.n_pmts > 0)
        place = np.searchsorted(known, m.dom_id[optical])
        place = np.minimum(place, max(len(known) - 1, 0))
        has = known[place] == m.dom_id[optical] if len(known) else np.zeros(len(optical), dtype=bool)
        self._insist(m.dom_id[optical][~has], "have no orientation", source.path)
        rows, q = optical[has], q[place[has]]
        readable = np.isfinite(self._drawn[rows, 0])
        self._insist(m.dom_id[rows][~readable], "have PMT axes that tell no orientation", self.detector.path)
        good = readable & np.isfinite(q[:, 0])
        return rows[good], q[good]

    def _bent(self, time: float, source: StringShapes) -> np.ndarray:
        """Give the positions of all modules at `time`, (n, 3)."""
        m = self.detector.modules
        strings, parameters = source.at(
            time, method=self.shape_method, outside="nan" if self.outside == "static" else self.outside
        )
        self._insist(
            m.dom_id[(m.floor > 0) & ~np.isin(m.du, strings)], "are on strings without a fit", source.path
        )
        pos = m.pos.copy()
        for du, shape in zip(strings, parameters, strict=True):
            rows = np.flatnonzero((m.du == du) & (m.floor > 0))
            if not len(rows) or not np.isfinite(shape).all():
                continue
            base = np.flatnonzero((m.du == du) & (m.floor == 0))
            if len(base) != 1:
                if self.missing == "static":
                    continue
                raise GeometryError(
                    f"string {du} has {len(base)} base modules, and needs one as its anchor",
                    where=self.detector.path or None,
                    remedy="take a description of version 4 or later, or missing='static'",
                )
            pos[rows] = _along(m.pos[rows], m.pos[base[0]], shape, source.mechanics.of(int(du)))
        return pos

    def _insist(self, dom_ids: np.ndarray, what: str, where: str) -> None:
        if len(dom_ids) and self.missing == "error":
            shown = ", ".join(str(d) for d in dom_ids[:3]) + (", ..." if len(dom_ids) > 3 else "")
            raise CalibrationError(
                f"{len(dom_ids)} modules {what}: {shown}",
                where=where or None,
                remedy="take the files of this detector, or missing='static'",
            )


def _along(pos: np.ndarray, anchor: np.ndarray, shape: np.ndarray, ab: tuple[float, float]) -> np.ndarray:
    """Give where the modules of one string come to lie, (k, 3)."""
    n = len(pos)
    piezo = pos + np.array([0.0, 0.0, _PIEZO_Z]) - anchor
    length = np.linalg.norm(piezo, axis=1)
    moved = displacement(length, np.tile(shape, (n, 1)), np.full(n, ab[0]), np.full(n, ab[1]))
    offset = piezo * [1.0, 1.0, 0.0]
    return np.asarray(anchor + moved + offset - [0.0, 0.0, _PIEZO_Z])


def _unit_quaternions(detector: Detector) -> np.ndarray:
    q = detector.modules.quaternion
    if q is None:
        return np.tile([1.0, 0.0, 0.0, 0.0], (detector.n_modules, 1))
    return normalised(q)
