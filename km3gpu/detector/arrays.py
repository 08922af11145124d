"""The arrays of a detector description, whatever file they came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from km3gpu.errors import FormatError

__all__ = ["Columns", "Content", "Modules", "Pmts", "Utm"]

_INTEGERS = frozenset(
    ("dom_id", "du", "floor", "status", "first_row", "n_pmts", "pmt_id", "id", "tripod", "channel_id")
)


class Columns:
    """Arrays of equal length that nobody may write to, for frozen dataclasses to derive from.

    What calibrates is shared by all chunks of a process, so a write would be
    felt far away.
    """

    def __post_init__(self) -> None:
        lengths = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, (tuple, str)) or np.ndim(value) == 0:
                continue
            array = np.array(value, dtype="i4" if f.name in _INTEGERS else "f8", order="C")
            if not np.array_equal(array, value):
                raise FormatError(f"{f.name} holds numbers that are no {array.dtype}")
            array.flags.writeable = False
            object.__setattr__(self, f.name, array)
            lengths[f.name] = len(array)
        if len(set(lengths.values())) > 1:
            sizes = ", ".join(f"{k}: {n}" for k, n in lengths.items())
            raise FormatError(f"columns of {type(self).__name__} differ in length ({sizes})")

    @property
    def digest(self) -> str:
        """``"content:sha256:..."`` of the arrays: what identifies them, wherever they came from."""
        h = hashlib.sha256()
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, Columns):
                h.update(f.name.encode() + value.digest.encode())
            elif value is None or isinstance(value, np.ndarray):
                h.update(f.name.encode() + (b"-" if value is None else value.tobytes()))
        return "content:sha256:" + h.hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        # through the constructor, so that unpickled arrays are read-only too
        return type(self), tuple(getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Modules(Columns):
    """One row per module, in the order of the file; base modules included.

    Attributes
    ----------
    dom_id : (n,) int32 array
        Identifier of the module, unique.
    du : (n,) int32 array
        Detection unit (string).
    floor : (n,) int32 array
        Floor, from 1; 0 for a base module.
    pos : (n, 3) float64 array
        Centre [m] in the detector's frame.  Files before version 4 do not hold
        it: there it is the point closest to the axes of all PMTs of the module.
    quaternion : (n, 4) float64 array or None
        Orientation (q0, qx, qy, qz); None before version 4.
    t0 : (n,) float64 array
        Time offset of the module (of its acoustic sensor) [ns]; 0 before version 4.
    status : (n,) int32 array
        Status bits; 0 before version 5.
    first_row, n_pmts : (n,) int32 arrays
        The PMTs of module ``i`` are the rows ``first_row[i]`` to
        ``first_row[i] + n_pmts[i]`` of the PMT table, in order of their channel.
    """

    dom_id: np.ndarray
    du: np.ndarray
    floor: np.ndarray
    pos: np.ndarray
    quaternion: np.ndarray | None
    t0: np.ndarray
    status: np.ndarray
    first_row: np.ndarray
    n_pmts: np.ndarray

    def __len__(self) -> int:
        return len(self.dom_id)


@dataclass(frozen=True, eq=False)
class Pmts(Columns):
    """One row per PMT, module by module, in the order of the channels.

    Attributes
    ----------
    pmt_id : (m,) int32 array
        Identifier of the PMT; not its channel, which is its place in its module.
    pos : (m, 3) float64 array
        Position [m] in the detector's frame.
    dir : (m, 3) float64 array
        Axis (outward), as the file holds it: rounded, not normalised.
    t0 : (m,) float64 array
        Time offset [ns], to be added to the time of a hit.
    status : (m,) int32 array
        Status bits; 0 before version 3.
    """

    pmt_id: np.ndarray
    pos: np.ndarray
    dir: np.ndarray
    t0: np.ndarray
    status: np.ndarray

    def __len__(self) -> int:
        return len(self.pmt_id)


@dataclass(frozen=True)
class Utm:
    """The reference point that all positions are relative to.

    Attributes
    ----------
    easting, northing : float
        UTM coordinates [m].
    z : float
        Height of the reference point [m], negative below the sea surface.
    zone : str
        ``"33N"``.
    ellipsoid : str
        ``"WGS84"``.
    """

    easting: float
    northing: float
    z: float
    zone: str = "32N"
    ellipsoid: str = "WGS84"


@dataclass(frozen=True, eq=False)
class Content:
    """What a DETX or DATX file holds; `Detector` says what the fields are."""

    det_id: int
    version: int
    comments: tuple[str, ...]
    validity: tuple[float, float] | None
    utm: Utm | None
    modules: Modules
    pmts: Pmts
