"""Summary slices: tree KM3NET_SUMMARYSLICE to the tables events (one row a slice) and frames."""

from __future__ import annotations

import math

import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.dataset import Wanted
from km3gpu.io.roottree import Tree
from km3gpu.io.slices import EVENTS, STATUS, read_events, status_columns
from km3gpu.kernels.cpu import frames as kernel
from km3gpu.table import Table, counts_to_offsets

__all__ = ["RATES", "SummarySlices"]

_LOWEST, _FACTOR = 2000.0, math.log(1000.0) / 255.0

RATES = np.array([0.0, *(_LOWEST * math.exp(b * _FACTOR) for b in range(1, 256))])
"""Rate of a PMT [Hz] by its byte in a summary frame: 0, or 2 kHz to 2 MHz on a
logarithmic scale (Jpp, ``JDAQRate``)."""

_HEADER = "KM3NETDAQ::JDAQSummarysliceHeader"
_FRAMES = "vector<KM3NETDAQ::JDAQSummaryFrame>"


_SPARE = {"status_3": 16, "status_4": 20}  # where they begin in a frame


class SummarySlices:
    """Rates and status of all modules, one slice per 100 ms frame.

    Parameters
    ----------
    tree : Tree
        KM3NET_SUMMARYSLICE of some file.
    """

    kind = "summaryslices"

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.name = tree.name
        self.where = tree.where
        self.n_entries = tree.n_entries

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return {"events": EVENTS, "frames": ("dom_id", "rates", *STATUS)}

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: bytes of the rates, and spare words."""
        return ("rate_codes", *_SPARE) if table == "frames" else ()

    def edges(self) -> list[int]:
        """Give the basket boundaries of the frames."""
        return [int(e) for e in self.tree.branch(_FRAMES).entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all entries when decoded (rates take most)."""
        size = self.tree.branch(_FRAMES).unpacked_bytes
        return 5 * size if "rates" in wanted.get("frames", ()) else size

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read slices ``start <= i < stop``.

        Raises
        ------
        FormatError
            Bytes that do not follow the format; file, branch and entry are named.
        """
        made = {}
        for table, names in wanted.items():
            if table == "events":
                columns, offsets = read_events(self.tree, _HEADER, start, stop), None
            else:
                columns, offsets = self._frames(names, start, stop)
            made[table] = Table(table, {n: columns[n] for n in names}, offsets).map(where.to_device)
        return made

    def _frames(
        self, names: tuple[str, ...], start: int, stop: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        branch = self.tree.branch(_FRAMES)
        raw, starts = entry_bytes(self.tree, branch, start, stop)
        sizes = np.diff(starts) - kernel.SUMMARY_HEADER
        counts = sizes // kernel.SUMMARY_FRAME
        at = starts[:-1]
        if len(at):
            stored = np.zeros(len(at), np.int64)
            good = sizes >= 0
            for k in range(4):
                stored[good] = stored[good] << 8 | raw[at[good] + 6 + k]
            bad = ~good | (sizes % kernel.SUMMARY_FRAME != 0) | (stored != counts)
            if bad.any():
                raise FormatError(
                    f"entry {start + int(np.flatnonzero(bad)[0])} of branch {branch.name!r} "
                    "is no whole number of frames",
                    where=self.where,
                    remedy="fetch the file again",
                )
        offsets = counts_to_offsets(counts)
        n = int(offsets[-1])
        dom_id = np.empty(n, np.int32)
        daq, status, fifo = (np.empty(n, np.uint32) for _ in range(3))
        codes = np.empty((n, kernel.N_PMTS), np.uint8)
        kernel.summary_frames(raw, starts, offsets, dom_id, daq, status, fifo, codes)
        columns: dict[str, np.ndarray] = {
            "dom_id": dom_id,
            "rate_codes": codes,
            **status_columns(daq, status, fifo),
        }
        if "rates" in names:
            columns["rates"] = RATES[codes]
        for name in set(names) & set(_SPARE):
            at = np.repeat(starts[:-1] - offsets[:-1] * kernel.SUMMARY_FRAME, counts)
            at += kernel.SUMMARY_HEADER + np.arange(n) * kernel.SUMMARY_FRAME + _SPARE[name]
            words = raw[at[:, None] + np.arange(4)]
            columns[name] = words.view(">u4")[:, 0].astype(np.uint32)
        return columns, offsets
