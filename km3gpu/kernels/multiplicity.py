"""Multiplicity of each hit: hits and PMTs of its module in a window that slides from hit to hit."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import KernelError
from km3gpu.kernels import segments as _segments
from km3gpu.kernels.arrays import as_offsets, exactly, item_of, same_length
from km3gpu.kernels.cpu import multiplicity as _cpu
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.scalar.coincidence import MOST_CHANNELS
from km3gpu.kernels.scalar.fault import split

__all__ = ["KERNELS", "sliding"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)
_F8 = np.dtype(np.float64)

_SLIDING = Kernel(
    "multiplicity.sliding", _cpu.sliding_block, _cpu.sliding_blocks,
    tuple(("i8[]", "i4[]", "i4[]", f"{small}[]", "f8[]", "f8", "i4[]", "i4[]") for small in ("u1", "u4")),
    # itself and the next hit, which most often is too late
    bytes_per_item=2 * (8 + 4 + 4 + 1 + 8) + 8, item="hit", registers=64,
)  # fmt: skip

KERNELS = (_SLIDING,)


def sliding(offsets: Any, dom_id: Any, channel_id: Any, t: Any, *, window: float = 25.0) -> tuple[Any, Any]:
    """Count the hits of the same module from each hit up to a window later.

    Parameters
    ----------
    offsets : (n_events + 1,) int64 array
        Hits of each event.
    dom_id : (n,) int32 array
        Module of each hit.
    channel_id : (n,) uint8 or uint32 array
        Channel, below 64.
    t : (n,) float64 array
        Calibrated time [ns].
    window : float
        Both ends are included [ns].

    Returns
    -------
    hits : (n,) int32 array
        Hits in the window that begins with this one, itself included; of equal
        times those that come later in order count.  0 for a hit at NaN.
    pmts : (n,) int32 array
        Distinct channels among them.

    Raises
    ------
    KernelError
        Columns do not fit, or a channel is above 63.
    """
    n = same_length(dom_id=dom_id, channel_id=channel_id, t=t)
    offsets = as_offsets(offsets, n)
    small = _U1 if channel_id.dtype == _U1 else _U4
    dom_id, t = exactly(dom_id, _I4, "dom_id"), exactly(t, _F8, "t")
    channel_id = exactly(channel_id, small, "channel_id")
    order, segment = _segments.order(offsets, dom_id, t), _segments.expand(offsets)
    hits, pmts = _backend.empty(n, _I4, t), _backend.empty(n, _I4, t)
    worst = run(
        _SLIDING, where_of(offsets, dom_id, channel_id, t), n,
        order, segment, dom_id, channel_id, t, float(window), hits, pmts,
    )  # fmt: skip
    if worst != NONE:
        row, _ = split(worst)
        raise KernelError(
            f"channel {int(channel_id[row])} is above {MOST_CHANNELS - 1}", where=item_of(row, offsets)
        )
    return hits, pmts
