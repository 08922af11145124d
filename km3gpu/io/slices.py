"""What summary slices and timeslices have in common: their header and the status of their frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.columns import read_column
from km3gpu.io.roottree import Tree
from km3gpu.kernels.cpu.frames import N_PMTS
from km3gpu.kernels.scalar.fault import NONE, split

__all__ = ["EVENTS", "STATUS", "bits", "check", "read_events", "status_columns"]

EVENTS = ("det_id", "run_id", "frame_index", "time_ns", "white_rabbit")
STATUS = ("hrv", "fifo", "white_rabbit", "udp_trailer", "udp_packets", "udp_highest", "daq_ok")

_HEADER = 44
_LAYOUT = np.dtype(
    {
        "names": ["det_id", "run_id", "frame_index", "seconds", "cycles"],
        "formats": [">i4", ">i4", ">i4", ">u4", ">u4"],
        "offsets": [18, 22, 26, 36, 40],
        "itemsize": _HEADER,
    }
)
_START = 14  # bytes of a start of slice that is one leaf: six of header, seconds, cycles


def read_events(tree: Tree, header: str, start: int, stop: int) -> dict[str, np.ndarray]:
    """Read the headers of slices, whole or split into leaves.

    Parameters
    ----------
    tree : Tree
        The tree of slices.
    header : str
        Branch of the whole header.
    start, stop : int
        Entry range.

    Returns
    -------
    dict of str to (n,) array
        The columns `EVENTS`.

    Raises
    ------
    FormatError
        An entry has another length.
    """
    branch = tree.branch(header)
    if branch.n_children == 0:
        data, starts = entry_bytes(tree, branch, start, stop)
        if (np.diff(starts) != _HEADER).any():
            raise _wrong(tree, branch.name, start, np.diff(starts) != _HEADER)
        rows = data.view(_LAYOUT)
        found = {n: rows[n].astype(rows[n].dtype.newbyteorder("=")) for n in _LAYOUT.names or ()}
    else:
        names = {"det_id": "detector_id", "run_id": "run", "frame_index": "frame_index"}
        above = f"{branch.path}/KM3NETDAQ::JDAQHeader/KM3NETDAQ::JDAQChronometer"
        found = {c: read_column(tree, tree.branch(f"{above}/{n}"), start, stop) for c, n in names.items()}
        found |= _start(tree, above, start, stop)
    seconds = found.pop("seconds")
    # the highest bit of the seconds is the status of White Rabbit, and a cycle 16 ns
    found["time_ns"] = (seconds & 0x7FFFFFFF).astype(np.int64) * 1_000_000_000
    found["time_ns"] += found.pop("cycles").astype(np.int64) * 16
    found["white_rabbit"] = seconds >> 31 != 0
    return found


def _start(tree: Tree, above: str, start: int, stop: int) -> dict[str, np.ndarray]:
    whole = tree.find(f"{above}/timeslice_start")
    if whole is None:
        leaves = {"seconds": "UTC_seconds", "cycles": "UTC_16nanosecondcycles"}
        return {
            c: read_column(tree, tree.branch(f"{above}/timeslice_start.{n}"), start, stop)
            for c, n in leaves.items()
        }
    data, starts = entry_bytes(tree, whole, start, stop)
    if (np.diff(starts) != _START).any():
        raise _wrong(tree, whole.name, start, np.diff(starts) != _START)
    words = data.reshape(-1, _START)[:, 6:].reshape(-1).view(">u4").reshape(-1, 2)
    return {"seconds": words[:, 0].astype(np.uint32), "cycles": words[:, 1].astype(np.uint32)}


def _wrong(tree: Tree, branch: str, start: int, bad: np.ndarray) -> FormatError:
    entry = start + int(np.flatnonzero(bad)[0])
    return FormatError(
        f"entry {entry} of branch {branch!r} has a length that its layout does not allow",
        where=tree.where,
        remedy="fetch the file again",
    )


def check(tree: Tree, branch: str, start: int, packed: int, other: str = "") -> None:
    """Raise what a kernel found wrong: the fault's entry, named from the start of the file."""
    if packed == NONE:
        return
    entry, code = split(packed)
    what = "has a length that its counts do not fit" if code == 1 else other
    raise FormatError(
        f"entry {start + entry} of branch {branch!r} {what}", where=tree.where, remedy="fetch the file again"
    )


def status_columns(daq: np.ndarray, status: np.ndarray, fifo: np.ndarray) -> dict[str, np.ndarray]:
    """Give the meaning of the status words of frames.

    Parameters
    ----------
    daq, status, fifo : (n_frames,) uint32 arrays
        As stored.

    Returns
    -------
    dict of str to (n_frames,) array
        The columns `STATUS`: ``hrv`` and ``fifo`` uint32 with bit `i` for PMT
        `i` (high-rate veto, FIFO almost full); ``white_rabbit``,
        ``udp_trailer`` and ``daq_ok`` bool; ``udp_packets`` received and
        ``udp_highest`` sequence number uint16.
    """
    pmts = np.uint32((1 << N_PMTS) - 1)
    packets, highest = (daq & 0xFFFF).astype(np.uint16), (daq >> 16).astype(np.uint16)
    trailer = fifo >> 31 != 0
    return {
        "hrv": status & pmts,
        "fifo": fifo & pmts,
        "white_rabbit": status >> 31 != 0,
        "udp_trailer": trailer,
        "udp_packets": packets,
        "udp_highest": highest,
        "daq_ok": trailer & (packets == highest.astype(np.int64) + 1),
    }


def bits(words: Any) -> np.ndarray:
    """Spread status words over the PMTs.

    Parameters
    ----------
    words : (n_frames,) uint32 array
        The columns ``hrv`` or ``fifo``.

    Returns
    -------
    (n_frames, 31) bool array
    """
    spread = np.asarray(words, np.uint32)[:, None] >> np.arange(N_PMTS, dtype=np.uint32)
    return np.asarray(spread & 1, bool)
