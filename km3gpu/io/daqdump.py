"""Dumps of the DAQ's own messages: what goes over the wire, written to a file as it is.

A message begins with its length (all of it) and its type.  Numbers are
little-endian but for the time of a hit, the other way round than in ROOT files.
Since 2018 a version follows the type; a message of the older form is known by
its counts, which must fill its length exactly.  The tables are those of the
ROOT files, under the names of the same trees.
"""

from __future__ import annotations

import numpy as np

from km3gpu.backend import Backend
from km3gpu.definitions import DaqDataType
from km3gpu.errors import FormatError
from km3gpu.io.daqmessages import COLUMNS, HEADER, PARSERS, joined
from km3gpu.io.dataset import Wanted
from km3gpu.io.filebytes import map_file
from km3gpu.io.manydatasets import ManyDatasets
from km3gpu.io.timeslices import TREES as TIMESLICES
from km3gpu.table import Table, counts_to_offsets

__all__ = ["DumpFile", "is_dump"]

_PREAMBLE = 8
_VERSIONS = {DaqDataType.EVENT: 4, DaqDataType.SUMMARYSLICE: 6}
_TREES = {
    DaqDataType.EVENT: "KM3NET_EVENT",
    DaqDataType.TIMESLICEL1: "KM3NET_TIMESLICE_L1",
    DaqDataType.TIMESLICEL2: "KM3NET_TIMESLICE_L2",
    DaqDataType.TIMESLICESN: "KM3NET_TIMESLICE_SN",
    DaqDataType.TIMESLICEL0: "KM3NET_TIMESLICE_L0",
    DaqDataType.TIMESLICE: "KM3NET_TIMESLICE",
    DaqDataType.SUMMARYSLICE: "KM3NET_SUMMARYSLICE",
}


def is_dump(head: bytes) -> bool:
    """Tell from its first bytes whether a file is a dump of DAQ messages."""
    if len(head) < _PREAMBLE + HEADER.itemsize:
        return False
    length, kind = np.frombuffer(head, "<i4", 2)
    return int(kind) in set(_TREES) and length > _PREAMBLE + HEADER.itemsize


class DumpFile(ManyDatasets):
    """A file of DAQ messages, sorted by what they are.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    FormatError
        A message does not end where the next begins, or is not of the DAQ.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._data = map_file(path)
        places: dict[str, list[tuple[int, int, int]]] = {}
        at = 0
        while at < len(self._data):
            kind, length = self._message(at)
            places.setdefault(_TREES[kind], []).append((at + _PREAMBLE, at + length, _VERSIONS.get(kind, 1)))
            at += length
        # events, timeslices, summary slices: the first is what is read where nobody says which
        names = [n for n in _TREES.values() if n in places]
        super().__init__(path, {n: _Messages(path, n, self._data, places[n]) for n in names})

    def _message(self, at: int) -> tuple[DaqDataType, int]:
        if at + _PREAMBLE > len(self._data):
            raise self._wrong(at, "is cut off")
        length, number = (int(v) for v in np.frombuffer(self._data, "<i4", 2, at))
        if number not in set(_TREES):
            raise self._wrong(at, f"has type {number}, which the DAQ does not send")
        if length < _PREAMBLE + HEADER.itemsize or at + length > len(self._data):
            raise self._wrong(at, f"claims {length} bytes, {len(self._data) - at} are left")
        return DaqDataType(number), length

    def _wrong(self, at: int, what: str) -> FormatError:
        return FormatError(f"the message at byte {at} {what}", where=self.path, remedy="dump it again")


class _Messages:
    """Messages of one kind.

    Parameters
    ----------
    path, name : str
        File and kind.
    data : memoryview
        The file.
    places : list of (int, int, int)
        Begin of what follows the preamble, end of the message, and the version
        that it has in the newer form.
    """

    def __init__(self, path: str, name: str, data: memoryview, places: list[tuple[int, int, int]]) -> None:
        self.path, self.name, self.where = path, name, f"{name} of {path}"
        self.kind = "timeslices" if name in TIMESLICES else _KINDS[name]
        self.n_entries = len(places)
        self._data, self._places = data, places
        self._parse = PARSERS[self.kind]

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns, as in ROOT files."""
        return dict(COLUMNS[self.kind])

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name."""
        return ("rate_codes",) if (self.kind, table) == ("summaryslices", "frames") else ()

    def edges(self) -> list[int]:
        """Give every message: each can be read alone."""
        return list(range(self.n_entries + 1))

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of all messages."""
        return sum(stop - start for start, stop, _ in self._places)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read messages ``start <= i < stop``.

        Raises
        ------
        FormatError
            The counts of a message do not fill it, in neither form.
        """
        parts = [self._one(i) for i in range(start, stop)]
        made = {}
        for table, names in wanted.items():
            rows = [p[table] for p in parts]
            columns = {n: joined([r[n] for r in rows], self.kind, table, n) for n in names}
            offsets = None
            if table != "events":
                first = self.tables()[table][0]
                offsets = counts_to_offsets(np.array([len(r[first]) for r in rows], np.int64))
            made[table] = Table(table, columns, offsets)
        return {t: table.map(where.to_device) for t, table in made.items()}

    def _one(self, index: int) -> dict[str, dict[str, np.ndarray]]:
        start, stop, version = self._places[index]
        body = self._data[start:stop]
        words: list[str] = []
        if int.from_bytes(body[:2], "little") == version:
            try:
                return self._parse(body[2:], False)
            except ValueError as error:
                words.append(str(error))
        try:
            return self._parse(body, True)
        except ValueError as error:
            words.append(str(error))
        raise FormatError(
            f"message {index} (at byte {start - _PREAMBLE}) is damaged: {words[0]}",
            where=self.where,
            remedy="dump it again",
        )


_KINDS = {"KM3NET_EVENT": "daq", "KM3NET_SUMMARYSLICE": "summaryslices"}
