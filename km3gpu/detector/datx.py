"""DATX, the binary format of detector descriptions (version 5, little endian).

Comments first, each ``####`` and a string; then det_id (i4), ``"V5"``, validity
(2 f8), the strings ``"UTM"``, ellipsoid and zone, easting, northing and z (f8),
the number of modules (i4).  A module is id, du, floor (i4), position, quaternion
and t0 (f8), status, n_pmts (i4), and its PMTs of 64 bytes each.  A string is its
length (i4) and its bytes.
"""

from __future__ import annotations

import struct

import numpy as np

from km3gpu.detector.arrays import Content, Modules, Pmts, Utm
from km3gpu.errors import FormatError, TruncatedFileError

__all__ = ["MODULE", "PMT", "is_datx", "parse"]

_COMMENT = b"####"
MODULE = np.dtype(
    [
        ("dom_id", "<i4"),
        ("du", "<i4"),
        ("floor", "<i4"),
        ("pos", "<f8", 3),
        ("quaternion", "<f8", 4),
        ("t0", "<f8"),
        ("status", "<i4"),
        ("n_pmts", "<i4"),
    ]
)
PMT = np.dtype([("pmt_id", "<i4"), ("pos", "<f8", 3), ("dir", "<f8", 3), ("t0", "<f8"), ("status", "<i4")])


def is_datx(data: bytes) -> bool:
    """Tell DATX from text by its beginning; text holds no zero byte, a length in DATX does."""
    return data[8:10] == b"V5" or (data[:4] == _COMMENT and b"\0" in data[4:8])


def parse(data: bytes, path: str) -> Content:
    """Read a DATX file.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : str
        Its name, for error messages.

    Returns
    -------
    Content

    Raises
    ------
    FormatError
        The bytes do not follow the format; file and offset are named.
    TruncatedFileError
        The file ends before what it announces.
    """
    r = _Cursor(data, path)
    comments = []
    while data[r.at : r.at + 4] == _COMMENT:
        r.at += 4
        comments.append(r.string("a comment"))
    det_id = r.integer("the detector id")
    start = r.at
    version = r.string("the version")
    if version.upper() != "V5":
        raise FormatError(
            f"DATX version {version[:20]!r}, where only V5 is known", where=f"{path}, byte {start}"
        )
    begin, end = r.floats(2, "the validity")
    start = r.at
    words = [r.string("the UTM reference") for _ in range(3)]
    if words[0].upper() != "UTM":
        raise FormatError(f"{words[0][:20]!r} where 'UTM' should be", where=f"{path}, byte {start}")
    easting, northing, z = r.floats(3, "the UTM position")
    utm = Utm(easting, northing, z, zone=words[2], ellipsoid=words[1])
    modules, pmts = _tables(r)
    if r.at < len(data):
        raise FormatError(
            f"{len(data) - r.at} bytes after the last of {len(modules)} modules",
            where=f"{path}, byte {r.at}",
            remedy="get an intact copy",
        )
    return Content(det_id, 5, tuple(comments), (begin, end), utm, modules, pmts)


def _tables(r: _Cursor) -> tuple[Modules, Pmts]:
    n_modules = r.count("modules", MODULE.itemsize)
    starts = np.empty(n_modules, dtype=np.int64)
    counts = np.empty(n_modules, dtype=np.int64)
    for k in range(n_modules):
        starts[k] = r.at
        r.skip(MODULE.itemsize - 4, f"module {k + 1} of {n_modules}")
        counts[k] = r.count("PMTs", PMT.itemsize)
        r.at += int(counts[k]) * PMT.itemsize
    m = _gather(r.data, MODULE, starts, np.ones_like(counts))
    p = _gather(r.data, PMT, starts + MODULE.itemsize, counts)
    first_row = np.cumsum(counts) - counts
    offset = np.repeat(starts + MODULE.itemsize - first_row * PMT.itemsize, counts)
    offset += np.arange(len(p)) * PMT.itemsize
    _check_finite(r.path, m, starts, ("pos", "quaternion", "t0"))
    _check_finite(r.path, p, offset, ("pos", "dir", "t0"))
    pmts = Pmts(**{name: p[name] for name in PMT.names or ()})
    modules = Modules(**{name: m[name] for name in MODULE.names or ()}, first_row=first_row)
    return modules, pmts


def _gather(data: bytes, dtype: np.dtype[np.void], starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    runs = zip(starts.tolist(), counts.tolist(), strict=True)
    return np.concatenate([np.empty(0, dtype), *(np.frombuffer(data, dtype, n, at) for at, n in runs if n)])


def _check_finite(path: str, table: np.ndarray, offset: np.ndarray, names: tuple[str, ...]) -> None:
    good = np.ones(len(table), dtype=bool)
    for name in names:
        finite = np.isfinite(table[name])
        good &= finite.all(axis=tuple(range(1, finite.ndim)))
    if not good.all():
        bad = int(np.argmin(good))
        kind = "module" if "dom_id" in (table.dtype.names or ()) else "PMT"
        raise FormatError(
            f"a {kind} with a position, axis or time that is no number",
            where=f"{path}, byte {offset[bad]}",
            remedy="get an intact copy",
        )


class _Cursor:
    """A place in the bytes; every step is checked against their end."""

    def __init__(self, data: bytes, path: str) -> None:
        self.data = data
        self.path = path
        self.at = 0

    def skip(self, size: int, what: str) -> int:
        """Go `size` bytes on; give where that began."""
        if self.at + size > len(self.data):
            raise TruncatedFileError(
                f"the file ends within {what}, after {len(self.data)} bytes",
                where=f"{self.path}, byte {self.at}",
                remedy="get a complete copy",
            )
        self.at += size
        return self.at - size

    def integer(self, what: str) -> int:
        return int(struct.unpack_from("<i", self.data, self.skip(4, what))[0])

    def floats(self, n: int, what: str) -> tuple[float, ...]:
        start = self.skip(8 * n, what)
        values = struct.unpack_from(f"<{n}d", self.data, start)
        if not np.isfinite(values).all():
            raise FormatError(f"{what} is no number", where=f"{self.path}, byte {start}")
        return values

    def count(self, what: str, size: int) -> int:
        """Read how many things of at least `size` bytes follow, and check that they can."""
        start = self.at
        n = self.integer(f"the number of {what}")
        if n < 0:
            raise FormatError(f"{n} {what}", where=f"{self.path}, byte {start}")
        if n * size > len(self.data) - self.at:
            raise TruncatedFileError(
                f"{n} {what} announced, which {len(self.data) - self.at} bytes cannot hold",
                where=f"{self.path}, byte {start}",
                remedy="get an intact copy",
            )
        return n

    def string(self, what: str) -> str:
        start = self.skip(self.count("characters", 1), what)
        raw = self.data[start : self.at]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
