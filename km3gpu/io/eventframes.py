"""Status of the frames that DAQ events were taken in: from the summary slices of the same file.

An event names its frame of 100 ms by ``frame_index``; the summary slice with the
same index has a row for each module.  Read like this, the rows of a slice belong
to each event in it, so that events can be cut into chunks anywhere.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from km3gpu.backend import Backend
from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import count_entries, read_tree
from km3gpu.io.summaryslices import SummarySlices
from km3gpu.table import Table, counts_to_offsets

__all__ = ["COLUMNS", "TREE", "EventFrames"]

TREE = "KM3NET_SUMMARYSLICE"
COLUMNS = ("dom_id", "hrv", "fifo", "udp_trailer", "udp_packets", "udp_highest", "daq_ok", "rates")

_HOST = Backend("cpu")
_GAP = 32  # slices between two that are needed are read too where they are no more than this


class EventFrames:
    """Frames of the events of a file.

    Parameters
    ----------
    file : RootFile
        With `TREE`.
    """

    def __init__(self, file: RootFile) -> None:
        key = file.find(TREE)
        assert key is not None
        self._slices = SummarySlices(read_tree(file, key))

    @staticmethod
    def there(file: RootFile) -> bool:
        """Say whether a file has summary slices."""
        key = file.find(TREE)
        return key is not None and count_entries(file, key) > 0

    @functools.cached_property
    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        """Give run and frame of all slices as one number, in order, and the entry of each."""
        columns = ("run_id", "frame_index")
        found = self._slices.read({"events": columns}, 0, self._slices.n_entries, _HOST)["events"]
        keys = _keys(*(found.flat(c) for c in columns))
        order = np.argsort(keys, kind="stable")
        return keys[order], order

    def read(self, names: Sequence[str], run_id: np.ndarray, frame_index: np.ndarray) -> Table:
        """Read the frames of events.

        Parameters
        ----------
        names : sequence of str
            Of `COLUMNS`.
        run_id, frame_index : (n,) int array
            Of the events.

        Returns
        -------
        Table
            ``frames``, on the host; an event whose slice is not in the file has none.

        Raises
        ------
        FormatError
            A slice does not decode.
        """
        keys, entries = self._known
        wanted = _keys(run_id, frame_index)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        known = keys[place] == wanted
        entry = entries[place[known]]
        needed = np.unique(entry)
        parts = [self._slices.read({"frames": tuple(names)}, 0, 0, _HOST)["frames"]]
        for first, last in _spans(needed):
            read = self._slices.read({"frames": tuple(names)}, first, last, _HOST)["frames"]
            parts.append(read.take_events(needed[(needed >= first) & (needed < last)] - first))
        columns = {n: np.concatenate([p.flat(n) for p in parts]) for n in names}
        # one more, without rows, for events whose slice is not there
        counts = np.concatenate([*(p.counts for p in parts), [0]])
        index = np.full(len(wanted), len(needed), np.int64)
        index[known] = np.searchsorted(needed, entry)
        return Table("frames", columns, counts_to_offsets(counts)).take_events(index)


def _keys(run_id: np.ndarray, frame_index: np.ndarray) -> np.ndarray:
    return run_id.astype(np.int64) << 32 | frame_index.astype(np.int64)


def _spans(entries: np.ndarray) -> Iterator[tuple[int, int]]:
    """Give the ranges in which rising `entries` lie close together."""
    cuts = np.flatnonzero(np.diff(entries) > _GAP) + 1
    for low, high in itertools.pairwise([0, *cuts.tolist(), len(entries)]):
        if low < high:
            yield int(entries[low]), int(entries[high - 1]) + 1
