"""What public kernels do to their arguments before a driver sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError

__all__ = ["as_offsets", "exactly", "item_of", "same_length", "together"]


def exactly(array: Any, dtype: np.dtype[Any], name: str) -> Any:
    """Give `array` contiguous and as `dtype`, without changing a single value.

    Parameters
    ----------
    array : numpy or cupy array
        One-dimensional.
    dtype : numpy.dtype
        What the driver takes.
    name : str
        What the array is, for the error.

    Raises
    ------
    KernelError
        It is not one-dimensional, or a value does not fit `dtype`.
    """
    if array.dtype == dtype and array.ndim == 1 and array.flags.c_contiguous:
        return array
    if array.ndim != 1:
        raise KernelError(f"{name} has {array.ndim} dimensions", remedy="give a flat column")
    cast = array.astype(dtype)
    if not np.can_cast(array.dtype, dtype, "safe") and not bool((cast == array).all()):
        xp = _backend.namespace(array)
        bad = int(xp.flatnonzero(cast != array)[0])
        raise KernelError(f"{name} is {array[bad]} at row {bad}, which {dtype} cannot hold")
    return cast


def same_length(**columns: Any) -> int:
    """Give the one length that all `columns` have.

    Raises
    ------
    KernelError
        They differ.
    """
    lengths = {len(c) for c in columns.values()}
    if len(lengths) > 1:
        sizes = ", ".join(f"{name}: {len(c)}" for name, c in columns.items())
        raise KernelError(f"columns differ in length ({sizes})")
    return lengths.pop()


def as_offsets(offsets: Any, n: int) -> Any:
    """Give `offsets` as contiguous int64, checked to cut `n` rows into events.

    Raises
    ------
    KernelError
        They do not begin at 0, end at `n` or rise.
    """
    offsets = exactly(offsets, np.dtype(np.int64), "offsets")
    if len(offsets) == 0 or int(offsets[0]) != 0 or int(offsets[-1]) != n:
        ends = "none" if len(offsets) == 0 else f"{int(offsets[0])} to {int(offsets[-1])}"
        raise KernelError(f"offsets ({ends}) do not cut {n} rows into events", remedy="they run from 0 to n")
    if len(offsets) > 1 and bool((offsets[1:] < offsets[:-1]).any()):
        raise KernelError("offsets go down", remedy="they must rise or stay")
    return offsets


def item_of(index: int, offsets: Any | None, what: str = "hit") -> str:
    """Name a row: ``"hit 1204"``, or ``"hit 17 of event 3"`` where offsets are known."""
    if offsets is None:
        return f"{what} {index}"
    xp = _backend.namespace(offsets)
    event = int(xp.searchsorted(offsets, xp.asarray([index]), side="right")[0]) - 1
    return f"{what} {index - int(offsets[event])} of event {event}"


def together(n: int, dtypes: Mapping[str, np.dtype[Any]]) -> dict[str, np.ndarray]:
    """Make columns on the host in one piece of memory.

    Large pieces come as huge pages and are taken up again when they are freed;
    many middling ones are handed back and forth with the system page by page,
    which costs more than what is done with them.

    Parameters
    ----------
    n : int
        Rows.
    dtypes : mapping of str to numpy.dtype
        Of the columns.

    Returns
    -------
    dict of str to (n,) array
        Not initialised; each begins on a multiple of 64 bytes.
    """
    places, end = {}, 0
    for name, dtype in dtypes.items():
        places[name] = end
        end += -(-n * dtype.itemsize // 64) * 64
    memory = np.empty(end, np.uint8)
    return {k: memory[places[k] : places[k] + n * d.itemsize].view(d) for k, d in dtypes.items()}
