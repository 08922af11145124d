"""Raw acoustics: what a hydrophone heard, as the acoustic data filter dumps it.

A file is of one hydrophone and has no name of the format in it.  A record is
the start (seconds and cycles of 16 ns, UTC), the size of the filter's window,
and samples (float32) of that window less its overlap with the next; the
overlap is not written, so it is found from where the second record begins.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.dataset import Wanted
from km3gpu.io.filebytes import map_file
from km3gpu.io.onedataset import OneDataset
from km3gpu.table import Table

__all__ = ["SAMPLING_HZ", "RawAcousticsFile", "is_raw_acoustics"]

SAMPLING_HZ = 195312.5
"""Samples per second of the control boards (one per 320 cycles of 16 ns)."""

_HEAD = 12
_CYCLES = 62_500_000  # of 16 ns in a second
_FIRST, _LAST = 1_300_000_000, 4_000_000_000  # seconds since 1970 that KM3NeT may see


def is_raw_acoustics(head: bytes) -> bool:
    """Tell from its first bytes whether a file may be raw acoustics."""
    if len(head) < _HEAD:
        return False
    seconds, cycles, window = (int(v) for v in np.frombuffer(head, "<u4", 3))
    power_of_two = window >= 1024 and window & (window - 1) == 0
    return _FIRST < seconds < _LAST and cycles < _CYCLES and power_of_two


class RawAcousticsFile(OneDataset):
    """A file of raw acoustics; one row of ``events`` is one record.

    Parameters
    ----------
    path : str
        A local file; the module's identifier is taken from its name
        (``DOM_808956920_...``).

    Raises
    ------
    FormatError
        The file is no whole number of records.
    """

    kind = "raw_acoustics"
    name = "acoustics"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        data = map_file(path)
        length = _record_length(np.frombuffer(data, "<u4", len(data) // 4))
        if len(data) % length:
            raise FormatError(
                f"{len(data)} bytes are no whole number of records of {length}",
                where=path,
                remedy="the file was cut short: fetch it again",
            )
        layout = [("seconds", "<u4"), ("cycles", "<u4"), ("window", "<u4")]
        self._rows = np.frombuffer(data, [*layout, ("samples", "<f4", ((length - _HEAD) // 4,))])
        self.n_entries = len(self._rows)
        found = re.search(r"DOM_(\d+)", Path(path).name)
        self.dom_id = int(found.group(1)) if found else 0

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the only table and its columns."""
        return {"events": ("time_ns", "dom_id", "window", "samples")}

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of all records."""
        return int(self._rows.nbytes)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read records ``start <= i < stop``; ``samples`` is (n, n_samples) float32."""
        rows = self._rows[start:stop]
        columns = {
            "time_ns": rows["seconds"].astype(np.int64) * 1_000_000_000
            + rows["cycles"].astype(np.int64) * 16,
            "dom_id": np.full(len(rows), self.dom_id, np.int32),
            "window": rows["window"].astype(np.uint32),
            "samples": np.ascontiguousarray(rows["samples"]),
        }
        table = Table("events", columns)
        return {t: table.keep(*names).map(where.to_device) for t, names in wanted.items()}


def _record_length(words: np.ndarray) -> int:
    """Give the bytes of a record: up to the next words that can be the head of one."""
    seconds, window = int(words[0]), int(words[2])
    heads = (words[2:] == window) & (words[:-2] >= seconds) & (words[:-2] < seconds + 86400)
    heads &= words[1:-1] < _CYCLES
    after = np.flatnonzero(heads[1:])
    return 4 * (int(after[0]) + 1) if len(after) else 4 * len(words)
