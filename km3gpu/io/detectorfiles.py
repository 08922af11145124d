"""Detector descriptions, and the text files that go with them, as tables.

A detector description has a row of ``events`` for each module, and the table
``pmts``; a text file has a row of ``events`` for each of its lines.  What they
mean together is `km3gpu.detector`'s; here they are shown and converted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from km3gpu.backend import Backend
from km3gpu.detector import (
    Detector,
    Hydrophones,
    Mechanics,
    PmtFile,
    Transmitters,
    Tripods,
    Waveforms,
)
from km3gpu.detector.datx import is_datx
from km3gpu.errors import InputNotFoundError
from km3gpu.io.dataset import Wanted
from km3gpu.io.filebytes import is_url, map_file
from km3gpu.io.onedataset import OneDataset
from km3gpu.table import Table

__all__ = ["DetectorFile", "TextFile", "is_detector", "text_kind"]

_Reader: TypeAlias = (
    type[Hydrophones] | type[Mechanics] | type[PmtFile] | type[Transmitters] | type[Tripods] | type[Waveforms]
)
_TEXTS: Mapping[str, _Reader] = {
    "hydrophone": Hydrophones,
    "tripod": Tripods,
    "transmitter": Transmitters,
    "waveform": Waveforms,
    "mechanics": Mechanics,
}
"""Files of plain numbers, which only their names tell apart."""

_PMT = re.compile(rb"(PMT|QE|mu|%\.\w+)=")
_WHOLE = re.compile(rb"-?\d+")
_VERSION = re.compile(rb"[vV]\d+")
_AXES = {"pos": ("pos_x", "pos_y", "pos_z"), "dir": ("dir_x", "dir_y", "dir_z")}
_QUATERNION = ("q0", "qx", "qy", "qz")


def is_detector(head: bytes, path: str) -> bool:
    """Tell from its first bytes whether a file is a detector description, DETX or DATX."""
    if is_datx(head):
        return True
    if b"\0" in head:
        return False
    if Path(path).suffix.lower() in (".detx", ".datx"):
        return True
    first, second = (*_rows_of_text(head), [], [])[:2]
    if len(first) != 2 or not _WHOLE.fullmatch(first[0]):
        return False
    # version 1 begins with two numbers, as others may, and goes on with a module
    module = len(second) == 4 and all(_WHOLE.fullmatch(w) for w in second)
    return _VERSION.fullmatch(first[1]) is not None or (_WHOLE.fullmatch(first[1]) is not None and module)


def text_kind(head: bytes, path: str) -> str | None:
    """Tell which of the text files beside a detector description a file is, None for any other."""
    if b"\0" in head:
        return None
    rows = _rows_of_text(head)
    if rows and _PMT.match(b"".join(rows[0])):
        return "pmt_file"
    words = re.split(r"[^a-z]+", Path(path).name.lower())
    named = next((k for k in _TEXTS if k in words or f"{k}s" in words), None)
    return named if rows and all(map(_is_number, rows[0])) else None


class DetectorFile(OneDataset):
    """A detector description; an entry is a module.

    Parameters
    ----------
    path : str
        A file or URL.

    Raises
    ------
    FormatError, TruncatedFileError
        See `Detector.open`.
    """

    kind = "detector"
    name = "detector"

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.detector = Detector.from_bytes(bytes(map_file(path)), path)
        m, p = self.detector.modules, self.detector.pmts
        self.n_entries = len(m)
        self._modules = {
            "det_id": np.full(len(m), self.detector.det_id, np.int32),
            "dom_id": m.dom_id,
            "du": m.du,
            "floor": m.floor,
            **_vector("pos", m.pos),
            **({} if m.quaternion is None else dict(zip(_QUATERNION, m.quaternion.T, strict=True))),
            "t0": m.t0,
            "status": m.status,
        }
        self._offsets = np.append(m.first_row, len(p)).astype(np.int64)
        counts = np.diff(self._offsets)
        self._pmts = {
            "dom_id": np.repeat(m.dom_id, counts),
            "channel_id": (np.arange(len(p)) - np.repeat(self._offsets[:-1], counts)).astype(np.int32),
            "pmt_id": p.pmt_id,
            **_vector("pos", p.pos),
            **_vector("dir", p.dir),
            "t0": p.t0,
            "status": p.status,
        }

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables and their columns; rows of ``events`` are modules."""
        return {"events": tuple(self._modules), "pmts": tuple(self._pmts)}

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of these columns."""
        tables = {"events": self._modules, "pmts": self._pmts}
        return sum(int(tables[t][c].nbytes) for t, cs in wanted.items() for c in cs)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read modules ``start <= i < stop`` and their PMTs."""
        made = {"events": Table("events", _rows(self._modules, start, stop))}
        offsets = self._offsets[start : max(start, stop) + 1]
        first, last = int(offsets[0]), int(offsets[-1])
        made["pmts"] = Table("pmts", _rows(self._pmts, first, last), offsets - first)
        return {t: made[t].keep(*names).map(where.to_device) for t, names in wanted.items()}


class TextFile(OneDataset):
    """A text file beside a detector description; an entry is a line.

    Parameters
    ----------
    path : str
        A local file.
    kind : str
        From `text_kind`.

    Raises
    ------
    FormatError
        A line does not hold what it should.
    InputNotFoundError
        It is a URL.
    """

    def __init__(self, path: str, kind: str) -> None:
        self.kind = self.name = kind
        super().__init__(path)
        if is_url(path):
            raise InputNotFoundError(f"{path!r} is not on this machine", remedy="fetch it first")
        rows: Any = (PmtFile if kind == "pmt_file" else _TEXTS[kind]).open(path)
        self._columns: dict[str, np.ndarray] = {}
        for name, value in vars(rows).items():
            if isinstance(value, np.ndarray):
                self._columns |= _vector(name, value) if value.ndim > 1 else {name: value}
        self.n_entries = len(next(iter(self._columns.values())))

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the only table and its columns."""
        return {"events": tuple(self._columns)}

    def nbytes(self, wanted: Wanted) -> int:
        """Give the bytes of these columns."""
        return sum(int(self._columns[c].nbytes) for cs in wanted.values() for c in cs)

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read lines ``start <= i < stop``."""
        table = Table("events", _rows(self._columns, start, stop))
        return {t: table.keep(*names).map(where.to_device) for t, names in wanted.items()}


def _rows_of_text(head: bytes) -> list[list[bytes]]:
    """Give the words of the first lines of a text that are no comments."""
    lines = (line.split() for line in head.splitlines())
    return [words for words in lines if words and not words[0].startswith(b"#")][:2]


def _is_number(word: bytes) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _vector(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(_AXES[name], values.T, strict=True))


def _rows(columns: Mapping[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    return {n: np.ascontiguousarray(c[start:stop]) for n, c in columns.items()}
