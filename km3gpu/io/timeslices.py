"""Timeslices: the trees KM3NET_TIMESLICE* to the tables events (one row a slice), frames and hits.

Jpp wrote them in three layouts, told apart by their branches and first bytes:
member by member in one branch (L0, L1, L2, SN since 2020, and the bare
timeslices), and split into a branch per member (L1, L2, SN before).  Frames
that are stored object by object are refused: no file is known that has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from km3gpu.backend import Backend
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.columns import read_column, row_offsets
from km3gpu.io.dataset import Wanted
from km3gpu.io.roottree import Tree
from km3gpu.io.slices import EVENTS, STATUS, check, read_events, status_columns
from km3gpu.kernels.arrays import together
from km3gpu.kernels.cpu import frames as kernel
from km3gpu.table import Table, counts_to_offsets

__all__ = ["CHECKS", "TREES", "TimeSlices"]

TREES = (
    "KM3NET_TIMESLICE_L1",
    "KM3NET_TIMESLICE_L2",
    "KM3NET_TIMESLICE_SN",
    "KM3NET_TIMESLICE_L0",
    "KM3NET_TIMESLICE",
)

CHECKS = {
    "UDP_ERROR": kernel.UDP_ERROR,
    "PMT_ERROR": kernel.PMT_ERROR,
    "TDC_ERROR": kernel.TDC_ERROR,
    "TIME_ERROR": kernel.TIME_ERROR,
}
"""Bits of the column ``checks`` of the frames."""

_HEADER = "KM3NETDAQ::JDAQTimesliceHeader"
_FRAMES = "vector<KM3NETDAQ::JDAQSuperFrame>"
_HITS = ("dom_id", "channel_id", "tdc", "tot")
_STORED: dict[str, np.dtype[Any]] = {
    "channel_id": np.dtype(np.uint8),
    "tdc": np.dtype(np.uint32),
    "tot": np.dtype(np.uint8),
}


class TimeSlices:
    """The hits that modules sent, one slice per 100 ms frame.

    ``frames`` has one row for each module of a slice, with ``n_hits`` saying
    how many of the slice's rows of ``hits`` are its own, in order.

    Parameters
    ----------
    tree : Tree
        One of `TREES` of some file.
    """

    kind = "timeslices"

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.name = tree.name
        self.where = tree.where
        self.n_entries = tree.n_entries

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return {"events": EVENTS, "frames": ("dom_id", "n_hits", *STATUS, "checks"), "hits": _HITS}

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: none."""
        return ()

    @property
    def _is_split(self) -> bool:
        return self.tree.branch(_FRAMES).n_children > 0

    @property
    def _largest(self) -> str:
        return f"{_FRAMES}.buffer" if self._is_split else _FRAMES

    def edges(self) -> list[int]:
        """Give the basket boundaries of the hits."""
        return [int(e) for e in self.tree.branch(self._largest).entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all entries when decoded."""
        return 2 * self.tree.branch(self._largest).unpacked_bytes

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read slices ``start <= i < stop``.

        Raises
        ------
        FormatError
            Bytes that do not follow the format; file, branch and entry are named.
        """
        made = {}
        if "events" in wanted:
            events = read_events(self.tree, _HEADER, start, stop)
            made["events"] = Table("events", {n: events[n] for n in wanted["events"]})
        if "frames" in wanted or "hits" in wanted:
            frames, hits = self._frames(start, stop, wanted)
            made |= {t.name: t.keep(*wanted[t.name]) for t in (frames, hits) if t.name in wanted}
        return {name: made[name].map(where.to_device) for name in wanted}

    def _frames(self, start: int, stop: int, wanted: Wanted) -> tuple[Table, Table]:
        raw, offsets, words, places = (self._split if self._is_split else self._member_wise)(start, stop)
        dom_id, n_hits = words["dom_id"], words["n_hits"]
        hit_offsets = counts_to_offsets(n_hits)
        n = int(hit_offsets[-1])
        # two fifths of the bytes are modules, which the frames know too
        named = "dom_id" in wanted.get("hits", ())
        hits = {"dom_id": np.empty(n if named else 0, np.int32), **together(n, _STORED)}
        kernel.frame_hits(raw, places, hit_offsets, dom_id, *hits.values())
        if not named:
            del hits["dom_id"]
        daq, status, fifo = words["daq"], words["status"], words["fifo"]
        frames = {"dom_id": dom_id, "n_hits": n_hits, **status_columns(daq, status, fifo)}
        if "checks" in wanted.get("frames", ()):
            frames["checks"] = np.empty(len(dom_id), np.uint8)
            kernel.frame_checks(hit_offsets, daq, fifo, hits["channel_id"], hits["tdc"], frames["checks"])
        return Table("frames", frames, offsets), Table("hits", hits, hit_offsets[offsets])

    def _member_wise(
        self, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
        branch = self.tree.branch(_FRAMES)
        raw, starts = entry_bytes(self.tree, branch, start, stop)
        counts = np.empty(len(starts) - 1, np.int64)
        unknown = "is stored object by object, a layout that no known program writes"
        check(self.tree, branch.name, start, kernel.member_wise_counts(raw, starts, counts), unknown)
        offsets = counts_to_offsets(counts)
        n = int(offsets[-1])
        words = {
            "dom_id": np.empty(n, np.int32),
            "daq": np.empty(n, np.uint32),
            "status": np.empty(n, np.uint32),
            "fifo": np.empty(n, np.uint32),
            "n_hits": np.empty(n, np.int32),
        }
        places = np.empty(n, np.int64)
        found = kernel.member_wise_frames(raw, starts, offsets, *words.values(), places)
        check(self.tree, branch.name, start, found)
        return raw, offsets, words, places

    def _split(
        self, start: int, stop: int
    ) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
        tree = self.tree
        offsets = row_offsets(tree, tree.branch(_FRAMES), start, stop)
        names = {"dom_id": "id", "daq": "daq", "status": "status", "fifo": "fifo", "n_hits": "numberOfHits"}
        words = {
            c: read_column(tree, tree.branch(f"{_FRAMES}.{n}"), start, stop, offsets)
            for c, n in names.items()
        }
        words |= {c: words[c].view(np.uint32) for c in ("daq", "status", "fifo")}
        branch = tree.branch(f"{_FRAMES}.buffer")
        raw, starts = entry_bytes(tree, branch, start, stop)
        places = np.empty(len(words["dom_id"]), np.int64)
        found = kernel.frame_members(starts, offsets, words["n_hits"], places)
        check(tree, branch.name, start, found)
        return raw, offsets, words, places
