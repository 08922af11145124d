"""DAQ events: tree KM3NET_EVENT to the tables events, hits and triggered_hits.

``hits`` are the snapshot hits, all hits around the trigger; ``triggered_hits``
those that took part in it, with their trigger bits in ``trig``.  Both are kept
as stored: a triggered hit is also among the snapshot hits.  ``frames``, read only
where it is asked for, is the status of all modules in the frame of each event,
from the summary slices of the same file.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io import eventframes
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.dataset import Wanted
from km3gpu.io.eventframes import EventFrames
from km3gpu.io.roottree import Tree
from km3gpu.io.trigger_parameters import read_trigger_parameters
from km3gpu.kernels import decode
from km3gpu.table import Table
from km3gpu.trigger import sets

__all__ = ["DaqEvents"]

_COLUMNS: dict[str, tuple[str, ...]] = {
    "events": (
        "det_id",
        "run_id",
        "frame_index",
        "time_ns",
        "white_rabbit",
        "trigger_counter",
        "trigger_mask",
        "overlays",
    ),
    "hits": ("dom_id", "channel_id", "tdc", "tot"),
    "triggered_hits": ("dom_id", "channel_id", "tdc", "tot", "trig"),
}
_BRANCHES = {
    "events": "KM3NETDAQ::JDAQEventHeader",
    "hits": "snapshotHits",
    "triggered_hits": "triggeredHits",
}
_DECODERS: dict[str, Any] = {
    "events": decode.event_headers,
    "hits": decode.snapshot_hits,
    "triggered_hits": decode.triggered_hits,
}


class DaqEvents:
    """The events that the trigger wrote.

    Parameters
    ----------
    tree : Tree
        KM3NET_EVENT of some file.
    """

    kind = "daq"

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.name = tree.name
        self.where = tree.where
        self.n_entries = tree.n_entries

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        return dict(_COLUMNS)

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: the frames of events, from the summary slices."""
        return eventframes.COLUMNS if table == "frames" and EventFrames.there(self.tree.file) else ()

    def edges(self) -> list[int]:
        """Give the basket boundaries of the snapshot hits."""
        return [int(e) for e in self.tree.branch(_BRANCHES["hits"]).entries]

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the decompressed bytes of all entries."""
        return sum(self.tree.branch(_BRANCHES[t]).unpacked_bytes for t in wanted if t in _BRANCHES)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read entries ``start <= i < stop``; raw bytes go to the backend and are decoded there.

        Raises
        ------
        FormatError
            Bytes that do not follow the format; file, branch and entry are named.
        """
        made = {}
        for name, columns in wanted.items():
            if name == "frames":
                made[name] = self._frames(columns, start, stop).map(where.to_device)
                continue
            branch = self.tree.branch(_BRANCHES[name])
            data, starts = entry_bytes(self.tree, branch, start, stop)
            try:
                decoded = _DECODERS[name](where.to_device(data), where.to_device(starts))
            except FormatError as error:
                raise FormatError(
                    f"branch {branch.name!r} does not decode: {error.what}",
                    where=f"{error.where} after entry {start} of {self.where}",
                    remedy="fetch the file again",
                ) from error
            offsets, got = (None, decoded) if name == "events" else decoded
            attrs = self._attrs if name == "events" else {}
            made[name] = Table(name, {c: got[c] for c in columns}, offsets, attrs)
        return made

    def _frames(self, columns: tuple[str, ...], start: int, stop: int) -> Table:
        names = ("run_id", "frame_index")
        events = self.read({"events": names}, start, stop, Backend("cpu"))["events"]
        return self._event_frames.read(columns, *(events.flat(n) for n in names))

    @functools.cached_property
    def _event_frames(self) -> EventFrames:
        return EventFrames(self.tree.file)

    @functools.cached_property
    def _attrs(self) -> dict[str, str]:
        """The parameters that the trigger ran with, where the file holds them."""
        parameters = read_trigger_parameters(self.tree.file)
        if parameters is None:
            return {}
        # no path: the same rows are the same bytes wherever the file lies
        stored = replace(parameters, name="stored", note="Stored in the data file.")
        return {"trigger_parameters": sets.to_json(stored)}
