"""EVT files: events of simulation programs as text.

Every line is ``tag: values``.  The header goes up to the first ``end_event:``;
each event from ``start_event:`` to ``end_event:``.  Programs differ in which
tags they write and how many values they give: a tag becomes a table with the
names of its values where they are known, and ``value_i`` beyond.

Particle codes are kept as stored, as ``code``: PDG numbers in some programs,
Geant 3's in others.
"""

from __future__ import annotations

import itertools

import numpy as np

from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.dataset import Wanted
from km3gpu.io.filebytes import map_file
from km3gpu.io.header import Header
from km3gpu.io.onedataset import OneDataset
from km3gpu.kernels.cpu import text as kernel
from km3gpu.table import Column, Ragged, Table, counts_to_offsets

__all__ = ["EvtFile", "is_evt"]

_TRACK = ("id", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z", "E", "t", "code")
_TABLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "hit": ("mc_hits", ("id", "pmt_id", "a", "t", "type", "n_photons", "origin", "c_time", "material")),
    "hit_raw": ("raw_hits", ("id", "pmt_id", "a", "t")),
    "track_in": ("mc_tracks", (*_TRACK, "len")),
    "neutrino": ("neutrinos", (*_TRACK[:9], "bx", "by", "ichan", "type", "cc")),
    "primarylepton": ("primary_leptons", _TRACK),
    "track_bundle": ("bundles", _TRACK[:8]),
}
"""Tags with names of their own: the table and the names of the values."""

_LISTS = {"weights": "w", "w2list": "w2list", "w3list": "w3list"}
_TEXTS = ("target",)
_WHOLE = ("id", "pmt_id", "type", "code", "n_photons", "origin", "ichan", "cc")
_LONGEST_TAG = 40


def is_evt(head: bytes) -> bool:
    """Tell from its first bytes whether a file is an EVT file."""
    first = head.lstrip().split(b"\n", 1)[0]
    return first.startswith((b"start_run:", b"start_event:"))


class EvtFile(OneDataset):
    """An EVT file; its events are its only dataset.

    Parameters
    ----------
    path : str
        A local file.

    Raises
    ------
    FormatError
        An event does not end, or two begin at once.
    """

    kind = "evt"
    name = "evt"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._data = np.frombuffer(map_file(path), np.uint8)
        lines = _Lines(self._data)
        self._tags = lines.tags
        self._starts, self._stops, self._tag_of = lines.starts, lines.stops, lines.tag_of
        begins, ends = (np.flatnonzero(self._tag_of == lines.index(t)) for t in ("start_event", "end_event"))
        first = int(begins[0]) if len(begins) else len(self._starts)
        ends = ends[ends > first]
        n = len(begins)
        if n != len(ends) or (begins > ends).any() or (begins[1:] < ends[:-1]).any():
            raise FormatError(
                f"{n} events begin and {len(ends)} end",
                where=path,
                remedy="the file was cut short, or its lines are out of order",
            )
        self._begins, self._ends = begins, ends
        self._n_header = first
        self.n_entries = n
        self._columns = self._look_at_columns()

    def header(self) -> Header:
        """Give the header; repeated entries are numbered ``_1, _2`` as in offline files."""
        raw: dict[str, str] = {}
        for i in range(self._n_header):
            tag = self._tags[self._tag_of[i]]
            if tag in ("", "end_event"):
                continue
            value = bytes(self._data[self._starts[i] : self._stops[i]]).decode("utf-8", "replace").strip()
            name, k = tag, 0
            while name in raw:
                k += 1
                name = f"{tag}_{k}"
            raw[name] = value
        return Header(raw)

    # -- tables --------------------------------------------------------------
    def _look_at_columns(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """Find the tables, their tags and columns; a table has as many as its longest line."""
        found = {}
        inside = np.arange(len(self._tag_of)) > self._n_header
        for number, tag in enumerate(self._tags):
            if tag in ("", "start_event", "end_event", *_LISTS, *_TEXTS):
                continue
            lines = np.flatnonzero((self._tag_of == number) & inside)
            if len(lines) == 0:
                continue
            counts = np.zeros(len(lines), np.int64)
            kernel.count_tokens(self._data, self._starts[lines], self._stops[lines], counts)
            most = int(counts.max())
            table, names = _TABLES.get(tag, (tag, _TRACK if tag.startswith("track_") else ()))
            if table == "neutrinos" and most < len(names):
                names = _TRACK  # programs of air showers give neutrinos as tracks
            names = (*names, *(f"value_{k}" for k in range(len(names), most)))
            while table == "events" or table in found:
                table = f"tag_{table}"  # a tag that is called as a table is
            found[table] = (number, names[:most])
        return found

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns."""
        present = {self._tags[t] for t in np.unique(self._tag_of[self._n_header :])}
        events = ["id", *(c for t, c in _LISTS.items() if t in present), *(t for t in _TEXTS if t in present)]
        return {"events": tuple(events), **{t: names for t, (_, names) in self._columns.items()}}

    def nbytes(self, wanted: Wanted) -> int:
        """Give the size of the text, which is about that of its numbers."""
        return len(self._data)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read events ``start <= i < stop``."""
        made = {}
        for table, names in wanted.items():
            if table == "events":
                made[table] = Table(table, {n: self._event_column(n, start, stop) for n in names})
                continue
            number, every = self._columns[table]
            lines, offsets = self._lines_of(number, start, stop)
            rows = self._matrix(lines, len(every))
            columns = {n: _column(n, rows[:, every.index(n)]) for n in names}
            made[table] = Table(table, columns, offsets)
        return {t: table.map(where.to_device) for t, table in made.items()}

    def _lines_of(self, number: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Give the lines of a tag in a range of events, and their offsets."""
        if stop <= start:
            return np.zeros(0, np.int64), np.zeros(1, np.int64)
        first, last = int(self._begins[start]), int(self._ends[stop - 1])
        lines = first + np.flatnonzero(self._tag_of[first:last] == number)
        offsets = np.searchsorted(lines, np.append(self._begins[start:stop], last))
        return lines, offsets.astype(np.int64)

    def _matrix(self, lines: np.ndarray, width: int) -> np.ndarray:
        """Read numbers, `width` of each line; NaN where a line has fewer."""
        values = np.full((len(lines), width), np.nan)
        self._parse(lines, np.arange(len(lines) + 1) * width, values.reshape(-1))
        return values

    def _parse(self, lines: np.ndarray, offsets: np.ndarray, values: np.ndarray) -> None:
        starts, stops = self._starts[lines], self._stops[lines]
        most = 1024
        while True:
            hard = np.empty((most, 3), np.int64)
            n = int(kernel.parse_rows(self._data, starts, stops, offsets, values, hard, most))
            if n <= most:
                break
            most = n
        for k, begin, end in hard[:n].tolist():
            digits = bytes(self._data[begin:end]).lower().replace(b"d", b"e")
            values[k] = float(digits)

    def _event_column(self, name: str, start: int, stop: int) -> Column:
        if name == "id":
            lines = self._begins[start:stop]
            return self._matrix(lines, 1)[:, 0].astype(np.int64)
        tag = next((t for t, c in _LISTS.items() if c == name), name)
        lines, offsets = self._lines_of(self._tags.index(tag), start, stop)
        if name in _TEXTS:
            return self._texts(lines, offsets)
        counts = np.zeros(len(lines), np.int64)
        kernel.count_tokens(self._data, self._starts[lines], self._stops[lines], counts)
        inner = counts_to_offsets(counts)
        values = np.empty(int(inner[-1]))
        self._parse(lines, inner, values)
        return Ragged(inner[offsets], values)

    def _texts(self, lines: np.ndarray, offsets: np.ndarray) -> Ragged:
        words = [
            b" ".join(bytes(self._data[self._starts[i] : self._stops[i]]).strip() for i in lines[a:b])
            for a, b in itertools.pairwise(offsets)
        ]
        joined = np.frombuffer(b"".join(words), np.uint8)
        return Ragged(counts_to_offsets(np.array([len(w) for w in words], np.int64)), joined, text=True)


class _Lines:
    """The lines of a text: where their values are, and which tag each has."""

    def __init__(self, data: np.ndarray) -> None:
        ends = np.flatnonzero(data == 10)
        begins = np.concatenate([[0], ends + 1])
        ends = np.concatenate([ends, [len(data)]])
        colons = np.concatenate([np.flatnonzero(data == 58), [len(data)]])
        colon = colons[np.searchsorted(colons, begins)]
        tagged = (colon < ends) & (colon - begins <= _LONGEST_TAG)
        self.starts = np.where(tagged, colon + 1, ends)
        self.stops = ends
        lengths = np.where(tagged, colon - begins, 0)
        # a number for each tag: its bytes as digits, modulo 2**64
        marks = np.zeros(len(begins), np.uint64)
        for k in range(int(lengths.max(initial=0))):
            there = np.flatnonzero(lengths > k)
            marks[there] = marks[there] * np.uint64(1099511628211) + data[begins[there] + k] + np.uint64(1)
        _, first, self.tag_of = np.unique(marks, return_index=True, return_inverse=True)
        self.tags = [
            bytes(data[begins[i] : begins[i] + lengths[i]]).decode("utf-8", "replace").strip() for i in first
        ]

    def index(self, tag: str) -> int:
        """Give the number of a tag, -1 where there is none."""
        return self.tags.index(tag) if tag in self.tags else -1


def _column(name: str, values: np.ndarray) -> np.ndarray:
    """Give a column contiguous, whole numbers as such where all are."""
    if name in _WHOLE and not np.isnan(values).any():
        whole = values.astype(np.int64)
        if (whole == values).all():
            return whole
    return np.ascontiguousarray(values)
