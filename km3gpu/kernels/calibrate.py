"""Calibrated time, position and axis of hits.

``t = tdc + t0(module, channel) - slew(tot)``, in ns; position and axis are those
of the PMT in the detector description.  Simulated hits have no offset and no
slewing: they take position and axis by the identifier of their PMT.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from km3gpu.kernels.arrays import exactly, item_of, same_length
from km3gpu.kernels.cpu import calibrate as _cpu
from km3gpu.kernels.launch import NONE, Kernel, run, where_of
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.placing import (
    PLACE,
    check_missing,
    missing_error,
    not_there,
    outputs,
    place_dtype,
    slewing_on,
)
from km3gpu.kernels.scalar.fault import split
from km3gpu.kernels.slewing import SLEWING

__all__ = ["KERNELS", "SLEWING", "hits", "pmt_hits"]

_U1, _U4, _I4 = np.dtype(np.uint8), np.dtype(np.uint32), np.dtype(np.int32)
_F4, _F8 = np.dtype(np.float32), np.dtype(np.float64)

_LOOKUP = ("i4[]", "f8[]", "i8", "i8")


def _signatures() -> tuple[tuple[str, ...], ...]:
    return tuple(
        ("i4[]", f"{small}[]", "u4[]", f"{small}[]", *_LOOKUP, "f8[]", "f8[]", *[f"{place}[]"] * 6)
        for small in ("u1", "u4")
        for place in ("f8", "f4")
    )


_HITS = Kernel(
    "calibrate.hits", _cpu.hits_block, _cpu.hits_blocks, _signatures(),
    bytes_per_item=10 + 56, item="hit", registers=40,
)  # fmt: skip
_PMT_HITS = Kernel(
    "calibrate.pmt_hits", _cpu.pmt_hits_block, _cpu.pmt_hits_blocks,
    tuple(("i4[]", *_LOOKUP, *[f"{place}[]"] * 6) for place in ("f8", "f4")),
    bytes_per_item=4 + 48, item="hit", registers=40,
)  # fmt: skip

KERNELS = (_HITS, _PMT_HITS)


def hits(
    dom_id: Any,
    channel_id: Any,
    tdc: Any,
    tot: Any,
    lookup: PmtLookup,
    *,
    slewing: Any | None = None,
    offsets: Any | None = None,
    dtype: Any = np.float64,
    missing: str = "raise",
    out: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Calibrate hits by module and channel.

    Parameters
    ----------
    dom_id : (n,) int32 array
        Module of each hit.
    channel_id : (n,) uint8 or uint32 array
        Channel within the module.
    tdc : (n,) uint32 array
        Time as stored, ns.
    tot : (n,) uint8 or uint32 array
        Time over threshold, ns.
    lookup : PmtLookup
        From `km3gpu.kernels.lookup.build`, on the same backend as the hits.
    slewing : (m,) float64 array, optional
        ns to take off by time over threshold; one beyond the table takes its
        last entry, as in Jpp.  None takes off nothing; `SLEWING` is Jpp's table.
    offsets : (n_events + 1,) int64 array, optional
        Only to name the event of a hit that has no PMT.
    dtype : dtype
        Of positions and axes, float64 or float32; the time is always float64.
    missing : str
        ``"raise"``, or ``"nan"``: a hit without a PMT gets NaN throughout.
    out : mapping of str to array, optional
        Columns to write to instead of new ones.

    Returns
    -------
    dict of str to array
        ``t`` (n,) float64 ns; ``pos_x, pos_y, pos_z`` m and ``dir_x, dir_y,
        dir_z`` in the detector's frame.

    Raises
    ------
    GeometryError
        A hit's module is not in the table, or has no such channel; the first
        such hit is named.
    KernelError
        Columns that differ in length or do not fit.
    BackendError
        Arrays partly on the host and partly on a device.
    """
    check_missing(missing)
    n = same_length(dom_id=dom_id, channel_id=channel_id, tdc=tdc, tot=tot)
    small = _U1 if channel_id.dtype == _U1 and tot.dtype == _U1 else _U4
    dom_id = exactly(dom_id, _I4, "dom_id")
    channel_id = exactly(channel_id, small, "channel_id")
    tdc = exactly(tdc, _U4, "tdc")
    tot = exactly(tot, small, "tot")
    where = where_of(dom_id, channel_id, tdc, tot, lookup.slots, lookup.rows)
    made = outputs({"t": _F8, **dict.fromkeys(PLACE, place_dtype(dtype))}, n, dom_id, out)
    worst = run(
        _HITS, where, n, dom_id, channel_id, tdc, tot,
        lookup.slots, lookup.rows, lookup.multiplier, lookup.shift, slewing_on(slewing, where),
        *made.values(),
    )  # fmt: skip
    if worst != NONE and missing == "raise":
        raise not_there(worst, dom_id, channel_id, offsets)
    return made


def pmt_hits(
    pmt_id: Any,
    lookup: PmtLookup,
    *,
    offsets: Any | None = None,
    dtype: Any = np.float64,
    missing: str = "raise",
    out: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Place simulated hits by the identifier of their PMT.

    Parameters
    ----------
    pmt_id : (n,) int32 array
        PMT of each hit.
    lookup : PmtLookup
        Built with one "module" of one PMT per PMT identifier.
    offsets, dtype, missing, out
        As for `hits`.

    Returns
    -------
    dict of str to array
        ``pos_x`` to ``dir_z``; no time, which is true already.

    Raises
    ------
    GeometryError
        A PMT is not in the table.
    """
    check_missing(missing)
    n = len(pmt_id)
    pmt_id = exactly(pmt_id, _I4, "pmt_id")
    where = where_of(pmt_id, lookup.slots, lookup.rows)
    made = outputs(dict.fromkeys(PLACE, place_dtype(dtype)), n, pmt_id, out)
    worst = run(
        _PMT_HITS, where, n, pmt_id,
        lookup.slots, lookup.rows, lookup.multiplier, lookup.shift, *made.values(),
    )  # fmt: skip
    if worst != NONE and missing == "raise":
        index, _ = split(worst)
        raise missing_error(f"PMT {int(pmt_id[index])}", item_of(index, offsets))
    return made
