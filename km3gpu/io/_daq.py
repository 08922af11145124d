"""NumPy decoders of the DAQ event branches, until the kernels take over."""

from __future__ import annotations

import numpy as np

_HIT = np.dtype([("dom_id", ">i4"), ("channel_id", "u1"), ("tdc", "<u4"), ("tot", "u1")])
_TRIG = np.dtype([*_HIT.descr, ("pad", "V6"), ("trig", ">u8")])


def _hits(raw, byte_offsets, dtype):  # type: ignore[no-untyped-def]
    sizes = np.diff(byte_offsets) - 10
    if (sizes < 0).any() or (sizes % dtype.itemsize).any():
        raise ValueError("an entry is no whole number of hits")
    counts = sizes // dtype.itemsize
    keep = np.ones(len(raw), bool)
    keep[(byte_offsets[:-1, None] + np.arange(10)).ravel() - byte_offsets[0]] = False
    h = raw[keep].view(dtype)
    out = {n: np.ascontiguousarray(h[n]).astype(h[n].dtype.newbyteorder("=")) for n in dtype.names if n != "pad"}
    out["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return out


def snapshot_hits(raw, byte_offsets):  # type: ignore[no-untyped-def]
    """Decode snapshot hits."""
    return _hits(raw, byte_offsets, _HIT)


def triggered_hits(raw, byte_offsets):  # type: ignore[no-untyped-def]
    """Decode triggered hits."""
    return _hits(raw, byte_offsets, _TRIG)


def event_headers(raw, byte_offsets):  # type: ignore[no-untyped-def]
    """Decode event headers."""
    d = np.dtype(
        {
            "names": ["det_id", "run_id", "frame_index", "sec", "cyc", "trigger_counter", "trigger_mask", "overlays"],
            "formats": [">i4", ">i4", ">i4", ">u4", ">u4", ">u8", ">u8", ">u4"],
            "offsets": [18, 22, 26, 36, 40, 50, 64, 72],
            "itemsize": 76,
        }
    )
    h = raw.view(d)
    out = {n: h[n].astype(h[n].dtype.newbyteorder("=")) for n in d.names}
    sec = out.pop("sec")
    out["white_rabbit"] = (sec >> 31).astype(bool)
    out["time_ns"] = (sec & 0x7FFFFFFF).astype(np.int64) * 1000000000 + out.pop("cyc").astype(np.int64) * 16
    return out
