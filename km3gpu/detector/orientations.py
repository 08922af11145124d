"""Orientations of modules over time, from their compasses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from km3gpu.detector.arrays import Columns
from km3gpu.detector.interpolation import local_polynomial, series
from km3gpu.detector.quaternions import normalised, slerp
from km3gpu.detector.rootfile import column, has_column, open_tree
from km3gpu.errors import CalibrationError, ConfigError, FormatError

__all__ = ["Orientations"]

_JPP_WINDOW, _JPP_DEGREE = 20, 1


@dataclass(frozen=True, eq=False)
class Orientations(Columns):
    """Measured orientations: rows sorted by module, then time.

    Attributes
    ----------
    dom_id : (n,) int32 array
        Module.
    t : (n,) float64 array
        Time of the measurement, unix seconds.
    quaternion : (n, 4) float64 array
        Unit quaternion (q0, qx, qy, qz) from the module's own frame to the
        detector's.
    path : str
        The file.
    """

    dom_id: np.ndarray
    t: np.ndarray
    quaternion: np.ndarray
    path: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dom_id) and not (np.diff(self.dom_id) >= 0).all():
            raise FormatError("orientations are not sorted by module", where=self.path or None)

    def __len__(self) -> int:
        return len(self.dom_id)

    @classmethod
    def open(cls, path: str | Path) -> Orientations:
        """Read a ``*.orientations.root`` file, as Jpp's JBallarat makes them.

        Parameters
        ----------
        path : str or Path
            ``"testdata:..."`` names a file of the package km3net-testdata.

        Raises
        ------
        InputNotFoundError, NotRootError
            There is no such file, or it is no ROOT file.
        FormatError
            It has no tree ORIENTATION, or holds no unit quaternions.
        """
        with open_tree(path, "ORIENTATION", "a file of orientations") as (file, tree):
            name = file.file_path
            dom_id, t = column(tree, "id"), column(tree, "t")
            if has_column(tree, "ns"):  # Jpp 20 keeps whole seconds and ns apart
                t = t + 1e-9 * column(tree, "ns").astype(np.float64)
            q = np.stack([column(tree, c) for c in "abcd"], axis=-1)
        order = np.lexsort((t, dom_id))
        dom_id, t, q = dom_id[order], t[order], q[order]
        if not (np.isfinite(t).all() and (np.abs(np.linalg.norm(q, axis=-1) - 1.0) < 1e-6).all()):
            raise FormatError("orientations hold times or quaternions that are none", where=name)
        return cls(dom_id, t, q, name)

    @property
    def modules(self) -> np.ndarray:
        """Modules that were measured, (k,) int32, sorted."""
        return np.unique(self.dom_id)

    def at(
        self,
        time: float,
        *,
        method: Literal["slerp", "jpp"] = "slerp",
        outside: Literal["error", "nearest", "nan"] = "error",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the orientation of every module at one time.

        Parameters
        ----------
        time : float
            Unix seconds.
        method : {"slerp", "jpp"}
            ``"slerp"``: on the arc between the measurements before and after.
            ``"jpp"``: a straight line through the 21 measurements around, for
            each component, as Jpp's ``JDynamics`` does it; smoother.
        outside : {"error", "nearest", "nan"}
            What a module gets that has no measurements on both sides of `time`:
            an error, its nearest measurement, or NaN.

        Returns
        -------
        dom_id : (k,) int32 array
            Modules, sorted.
        quaternion : (k, 4) float64 array
            Their orientations.

        Raises
        ------
        CalibrationError
            `time` lies outside the measurements of a module.
        """
        if method not in ("slerp", "jpp"):
            raise ConfigError(f"no interpolation {method!r}", remedy="take 'slerp' or 'jpp'")
        if outside not in ("error", "nearest", "nan"):
            raise ConfigError(
                f"no way {outside!r} to treat times outside", remedy="'error', 'nearest', 'nan'"
            )
        modules, first, count = series(self.dom_id)
        last = first + count - 1
        early, late = time < self.t[first], time > self.t[last]
        if outside == "error" and (early | late).any():
            self._refuse(time, modules, first, last, early | late)
        # how many measurements of each module are not later than `time`
        passed = np.add.reduceat((self.t <= time).astype(np.int64), first) if len(first) else first
        before = first + np.clip(passed - 1, 0, None)
        after = np.minimum(before + 1, last)
        if method == "slerp":
            span = self.t[after] - self.t[before]
            fraction = np.clip((time - self.t[before]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
            q = slerp(self.quaternion[before], self.quaternion[after], fraction)
        else:
            q = np.empty((len(modules), 4))
            for i, (a, n) in enumerate(zip(first, count, strict=True)):
                rows = slice(a, a + n)
                q[i] = local_polynomial(
                    self.t[rows], _aligned(self.quaternion[rows]), time, _JPP_WINDOW, _JPP_DEGREE
                )
            q = normalised(q)
            q[early], q[late] = self.quaternion[first[early]], self.quaternion[last[late]]
        if outside == "nan":
            q[early | late] = np.nan
        return modules, q

    def _refuse(
        self, time: float, modules: np.ndarray, first: np.ndarray, last: np.ndarray, out: np.ndarray
    ) -> None:
        i = int(np.argmax(out))
        raise CalibrationError(
            f"unix time {time:.3f} s lies outside the orientations of {int(out.sum())} of {len(modules)}"
            f" modules (module {modules[i]}: {self.t[first[i]]:.3f} to {self.t[last[i]]:.3f})",
            where=self.path or None,
            remedy="take the file of that time, or outside='nearest'",
        )


def _aligned(q: np.ndarray) -> np.ndarray:
    """Give the same rotations with signs such that neighbours are close."""
    flips = np.cumsum((q[1:] * q[:-1]).sum(axis=-1) < 0.0) % 2
    return np.concatenate((q[:1], np.where(flips[:, None] == 1, -q[1:], q[1:])))
