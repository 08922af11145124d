"""What the kernels that place hits share: options, outputs, tables and errors."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import GeometryError, KernelError
from km3gpu.kernels.arrays import exactly, item_of
from km3gpu.kernels.scalar.calibrate import NO_MODULE
from km3gpu.kernels.scalar.fault import split
from km3gpu.kernels.slewing import SLEWING

__all__ = ["PLACE", "check_missing", "not_there", "outputs", "place_dtype", "slewing_on"]

PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)


def not_there(worst: int, dom_id: Any, channel_id: Any, offsets: Any | None) -> GeometryError:
    """Make the error that names the first hit without a PMT."""
    index, code = split(worst)
    module = f"module {int(dom_id[index])}"
    what = module if code == NO_MODULE else f"channel {int(channel_id[index])} of {module}"
    return missing_error(what, item_of(index, offsets))


def missing_error(what: str, where: str) -> GeometryError:
    """Make the error for something that the detector description does not have."""
    return GeometryError(
        f"{what} is not in the detector description", where=where, remedy="take the detector of this run"
    )


def check_missing(missing: str) -> None:
    """Refuse a way to treat missing PMTs that does not exist."""
    if missing not in ("raise", "nan"):
        raise KernelError(f"no way {missing!r} to treat a missing PMT", remedy='take "raise" or "nan"')


def place_dtype(dtype: Any) -> np.dtype[Any]:
    """Give the dtype of positions and axes, float64 or float32."""
    wanted: np.dtype[Any] = np.dtype(dtype)
    if wanted not in (_F4, _F8):
        raise KernelError(f"positions cannot be {wanted}", remedy="take float64 or float32")
    return wanted


def outputs(dtypes: Mapping[str, Any], n: int, like: Any, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Make the columns to write to, or check those that were given."""
    if given is None:
        return {c: _backend.empty(n, d, like) for c, d in dtypes.items()}
    for c, d in dtypes.items():
        fits = c in given and given[c].dtype == d and given[c].shape == (n,) and given[c].flags.c_contiguous
        if not fits:
            raise KernelError(f"out[{c!r}] is no contiguous {np.dtype(d)} column of {n} rows")
    return {c: given[c] for c in dtypes}


def slewing_on(table: Any | None, where: str) -> Any:
    """Give a table of slewing where the hits are; zeros for None."""
    if table is None or table is SLEWING:
        return _kept(table is SLEWING, where, _backend.device_index() if where == "cuda" else 0)
    if table.ndim != 1 or len(table) == 0:
        raise KernelError("a slewing table is a column of ns by time over threshold")
    return exactly(_backend.Backend(where).to_device(table), _F8, "slewing")


@functools.cache
def _kept(slewing: bool, where: str, device: int) -> Any:
    # a writable copy: numba would compile anew for a read-only argument
    return _backend.Backend(where).to_device(np.array(SLEWING) if slewing else np.zeros(256))
