"""DAQ events: tree KM3NET_EVENT to the tables events, hits and triggered_hits.

``hits`` are the snapshot hits, all hits around the trigger; ``triggered_hits``
those that took part in it, with their trigger bits in ``trig``.  Both are kept
as stored: a triggered hit is also among the snapshot hits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from km3gpu.errors import FormatError
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.roottree import Branch, Tree
from km3gpu.io import _daq as decode
from km3gpu.table import Table

__all__ = ["COLUMNS", "KIND", "TREES", "main_branch", "read", "tables"]

KIND = "daq"
TREES = ("KM3NET_EVENT",)

COLUMNS: dict[str, tuple[str, ...]] = {
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
_DECODERS = {
    "events": decode.event_headers,
    "hits": decode.snapshot_hits,
    "triggered_hits": decode.triggered_hits,
}


def tables(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Give the tables of the tree and their columns."""
    return COLUMNS


def main_branch(tree: Tree) -> Branch:
    """Give the branch whose baskets the chunks follow: the snapshot hits."""
    return tree.branch(_BRANCHES["hits"])


def read(tree: Tree, wanted: Mapping[str, tuple[str, ...]], start: int, stop: int) -> dict[str, Table]:
    """Read entries ``start <= i < stop``.

    Parameters
    ----------
    tree : Tree
        KM3NET_EVENT of some file.
    wanted : mapping of str to tuple of str
        Tables and their columns.
    start, stop : int
        Entry range.

    Returns
    -------
    dict of str to Table

    Raises
    ------
    FormatError
        Bytes that do not follow the format; file, branch and entry are named.
    """
    made = {}
    for name, columns in wanted.items():
        branch = tree.branch(_BRANCHES[name])
        data, starts = entry_bytes(tree, branch, start, stop)
        try:
            decoded = _DECODERS[name](data, starts)
        except ValueError as error:
            raise FormatError(
                f"branch {branch.name!r}, entries {start} to {stop}: {error}",
                where=f"tree {tree.name} of {tree.file.path}",
                remedy="fetch the file again",
            ) from error
        offsets = None if name == "events" else decoded["offsets"]
        made[name] = Table(name, {c: decoded[c] for c in columns}, offsets)
    return made


def first_event(tree: Tree) -> dict[str, int]:
    """Give detector, run and time of the first event; empty where there is none."""
    if tree.n_entries == 0:
        return {}
    events = read(tree, {"events": ("det_id", "run_id", "time_ns")}, 0, 1)["events"]
    return {n: int(np.asarray(events.flat(n))[0]) for n in events.columns}
