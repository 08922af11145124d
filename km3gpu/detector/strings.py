"""Shapes of strings in the current, over time, from acoustic fits.

An anchored string leans with slope (tx, ty); drag and buoyancy bend it.  With
the constants a, b of the mechanical model, the stretch vs and the curvatures
(tx2, ty2), the point at length ``h`` along the string lies, from the anchor, at

    h1 = h (1 + vs)
    x = tx (h1 + b ln(1 - a h1)) + tx2 h1^2         (y alike)
    z: arc length from 0 to z equals h1

with the arc length, to first order in the slopes squared (T2 = tx^2 + ty^2),

    s(z) = sqrt(1 + T2) z + T2 b ln(1 - a z) + T2 a b^2 / 2 (1 / (1 - a z) - 1)

This is the model of Jpp's ``JACOUSTICS::JGEOMETRY::JString`` as KM3io.jl
(version 0.18 and later) describes it.  No shipped file holds positions that Jpp
made with it, so it is checked by its invariants only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from km3gpu.detector.arrays import Columns
from km3gpu.detector.instruments import Mechanics
from km3gpu.detector.interpolation import local_polynomial, series
from km3gpu.detector.rootfile import open_tree
from km3gpu.errors import CalibrationError, ConfigError, FormatError

__all__ = ["StringShapes", "arc_length", "displacement"]

_JPP_WINDOW, _JPP_DEGREE = 7, 2
_PARAMETERS = ("tx", "ty", "tx2", "ty2", "vs")


@dataclass(frozen=True, eq=False)
class StringShapes(Columns):
    """Fitted shapes: rows sorted by string, then time.

    Attributes
    ----------
    du : (n,) int32 array
        String.
    t : (n,) float64 array
        Middle of the time that the fit is for, unix seconds.
    tx, ty : (n,) float64 arrays
        Slopes dx/dz, dy/dz.
    tx2, ty2 : (n,) float64 arrays
        Second order corrections [1/m].
    vs : (n,) float64 array
        Stretch.
    mechanics : Mechanics
        Constants of the mechanical model that the fits were made with.
    det_id : int
        Detector.
    path : str
        The file.
    """

    du: np.ndarray
    t: np.ndarray
    tx: np.ndarray
    ty: np.ndarray
    tx2: np.ndarray
    ty2: np.ndarray
    vs: np.ndarray
    mechanics: Mechanics
    det_id: int
    path: str = ""

    def __len__(self) -> int:
        return len(self.du)

    @classmethod
    def open(cls, path: str | Path, mechanics: Mechanics | None = None) -> StringShapes:
        """Read the tree ACOUSTICS_FIT of a file that Jpp's JKatoomba made.

        Parameters
        ----------
        path : str or Path
            ``"testdata:..."`` names a file of the package km3net-testdata.
        mechanics : Mechanics, optional
            Instead of the constants in the file.

        Raises
        ------
        InputNotFoundError, NotRootError
            There is no such file, or it is no ROOT file.
        FormatError
            It has no such tree or no mechanical constants, or mixes detectors.
        """
        with open_tree(path, "ACOUSTICS_FIT", "a file of acoustic fits") as (file, tree):
            name = file.file_path
            head = {c: tree[f"JACOUSTICS::JHead/{c}"].array(library="np")
                    for c in ("detid", "UNIXTimeStart", "UNIXTimeStop")}  # fmt: skip
            group = "vector<JACOUSTICS::JFit>"
            fits = {c: tree[f"{group}/{group}.{c}"].array() for c in ("id", *_PARAMETERS)}
            if mechanics is None:
                mechanics = _stored_mechanics(file, name)
        counts = np.array([len(x) for x in fits["id"]], dtype=np.int64)
        columns = {
            c: np.concatenate([np.asarray(x) for x in v]) if len(v) else np.empty(0) for c, v in fits.items()
        }
        t = np.repeat(0.5 * (head["UNIXTimeStart"] + head["UNIXTimeStop"]), counts)
        detectors = np.unique(head["detid"])
        if len(detectors) != 1:
            raise FormatError(f"fits of detectors {detectors.tolist()}, where one should be", where=name)
        if not all(np.isfinite(c).all() for c in (t, *columns.values())):
            raise FormatError("fits hold numbers that are none", where=name)
        order = np.lexsort((t, columns["id"]))
        tx, ty, tx2, ty2, vs = (columns[c][order] for c in _PARAMETERS)
        du, det_id = columns["id"][order], int(detectors[0])
        return cls(du, t[order], tx, ty, tx2, ty2, vs, mechanics, det_id, name)

    def at(
        self,
        time: float,
        *,
        method: Literal["linear", "jpp"] = "jpp",
        outside: Literal["error", "nearest", "nan"] = "error",
    ) -> tuple[np.ndarray, np.ndarray]:
        """Give the shape of every string at one time.

        Parameters
        ----------
        time : float
            Unix seconds.
        method : {"jpp", "linear"}
            ``"jpp"``: a parabola through the 8 fits around, as Jpp's
            ``JDynamics`` does it.  ``"linear"``: between the fits before and
            after.
        outside : {"error", "nearest", "nan"}
            What a string gets that has no fits on both sides of `time`.

        Returns
        -------
        du : (k,) int32 array
            Strings, sorted.
        parameters : (k, 5) float64 array
            tx, ty, tx2, ty2, vs.

        Raises
        ------
        CalibrationError
            `time` lies outside the fits of a string.
        """
        if method not in ("linear", "jpp"):
            raise ConfigError(f"no interpolation {method!r}", remedy="take 'jpp' or 'linear'")
        if outside not in ("error", "nearest", "nan"):
            raise ConfigError(
                f"no way {outside!r} to treat times outside", remedy="'error', 'nearest', 'nan'"
            )
        values = np.column_stack([getattr(self, c) for c in _PARAMETERS])
        strings, first, count = series(self.du)
        made = np.empty((len(strings), len(_PARAMETERS)))
        for i, (a, n) in enumerate(zip(first, count, strict=True)):
            t, y = self.t[a : a + n], values[a : a + n]
            if time < t[0] or time > t[-1]:
                if outside == "error":
                    raise CalibrationError(
                        f"unix time {time:.3f} s lies outside the fits of string {strings[i]}"
                        f" ({t[0]:.3f} to {t[-1]:.3f})",
                        where=self.path or None,
                        remedy="take the file of that time, or outside='nearest'",
                    )
                made[i] = np.nan if outside == "nan" else y[0 if time < t[0] else -1]
            elif method == "jpp":
                made[i] = local_polynomial(t, y, time, _JPP_WINDOW, _JPP_DEGREE)
            else:
                made[i] = [np.interp(time, t, column) for column in y.T]
        return strings, made


def _stored_mechanics(file: Any, name: str) -> Mechanics:
    key = "JACOUSTICS::JDetectorMechanics_t"
    if key not in file:
        raise FormatError(
            "no mechanical constants in it", where=name, remedy="pass mechanics=Mechanics.open(...)"
        )
    stored = file[key].member("map<int,JACOUSTICS::JMechanics>")
    rows = sorted((int(k), v.member("a"), v.member("b")) for k, v in stored.items())
    du, a, b = zip(*rows, strict=True)
    return Mechanics(np.array(du), np.array(a), np.array(b))


def arc_length(z: np.ndarray, slope2: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give the length of a string from its anchor up to height `z`.

    Parameters
    ----------
    z : array
        Height [m]; ``a z < 1``.
    slope2 : array
        ``tx^2 + ty^2``.
    a, b : array
        Constants of the mechanical model [1/m], [m].

    Returns
    -------
    array
        m; the formula of the module's head.
    """
    x = 1.0 - a * z
    return np.asarray(
        np.sqrt(1.0 + slope2) * z + slope2 * b * np.log(x) + 0.5 * slope2 * a * b**2 * (1.0 / x - 1.0)
    )


def displacement(length: np.ndarray, parameters: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give where points of strings are, from their anchors.

    Parameters
    ----------
    length : (n,) float64 array
        Length along the string [m].
    parameters : (n, 5) float64 array
        tx, ty, tx2, ty2, vs.
    a, b : (n,) float64 arrays
        Constants of the mechanical model [1/m], [m].

    Returns
    -------
    (n, 3) float64 array
        m.
    """
    tx, ty, tx2, ty2, vs = parameters.T
    slope2 = tx**2 + ty**2
    h = length * (1.0 + vs)
    effective = h + b * np.log(1.0 - a * h)
    z = h.copy()
    for _ in range(20):  # Newton; slopes are small, so two or three steps do
        excess = arc_length(z, slope2, a, b) - h
        z -= excess / (1.0 + 0.5 * slope2 * (1.0 - a * b / (1.0 - a * z)) ** 2)
        if (np.abs(excess) < 1e-9).all():
            break
    return np.column_stack((tx * effective + tx2 * h**2, ty * effective + ty2 * h**2, z))
