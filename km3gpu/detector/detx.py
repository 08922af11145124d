"""DETX, the text format of detector descriptions, versions 1 to 5.

Version 1 begins with ``det_id n_modules``.  Later ones have four lines:
``det_id vN``, ``valid_from valid_to``, ``UTM WGS84 32N easting northing z`` and
``n_modules``.  Then each module is one line, ``id du floor [x y z q0 qx qy qz t0
[status]] n_pmts`` (the bracketed from versions 4 and 5), followed by a line
``pmt_id x y z dx dy dz t0 [status]`` for each of its PMTs (status from version
3).  The channel of a PMT is its place among these lines.
"""

from __future__ import annotations

import numpy as np

from km3gpu.detector.arrays import Content, Modules, Pmts, Utm
from km3gpu.detector.geometry import crossing_points
from km3gpu.detector.lines import Lines

__all__ = ["VERSIONS", "parse"]

VERSIONS = (1, 2, 3, 4, 5)
_MODULE_WIDTH = {1: 4, 2: 4, 3: 4, 4: 12, 5: 13}
_PMT_WIDTH = {1: 8, 2: 8, 3: 9, 4: 9, 5: 9}


def parse(data: bytes, path: str) -> Content:
    """Read a DETX file.

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
        The text does not follow the format; file and line are named.
    TruncatedFileError
        It ends before the last PMT that it announces.
    """
    return _Reader(data, path).content()


class _Reader(Lines):
    """The lines of a DETX file."""

    def content(self) -> Content:
        what = "a detector description begins with 'det_id vN' or 'det_id n_modules'"
        first = self.next(2, what)
        det_id = self.integer(first[0], what)
        validity, utm, version = None, None, 1
        if first[1][:1] in b"vV":
            version = self.integer(first[1][1:], "the version should be, v1 to v5")
            if version not in VERSIONS:
                self.fail("the version should be, v1 to v5", self.at - 1)
        if version > 1:
            what = "'valid_from valid_to' in unix seconds should be"
            begin, end = self.numbers(self.next(2, what), what)
            validity = (begin, end)
            what = "'UTM WGS84 32N easting northing z' should be"
            words = self.next(6, what)
            if words[0].upper() != b"UTM":
                self.fail(what, self.at - 1)
            ellipsoid, zone = (w.decode("ascii", "replace") for w in words[1:3])
            easting, northing, z = self.numbers(words[3:], what)
            utm = Utm(easting, northing, z, zone, ellipsoid)
        what = "the number of modules should be"
        if first[1][:1] in b"vV":
            first = self.next(1, what)
        n_modules = self.integer(first[-1], what)
        if n_modules < 0:
            self.fail(what, self.at - 1)
        modules, pmts = self._tables(version, n_modules)
        return Content(det_id, version, tuple(self.comments), validity, utm, modules, pmts)

    def _tables(self, version: int, n_modules: int) -> tuple[Modules, Pmts]:
        width, pmt_width = _MODULE_WIDTH[version], _PMT_WIDTH[version]
        begin = self.at
        wrong = np.append(np.flatnonzero(self.widths != pmt_width), len(self))
        rows_of_modules, counts = [], []
        for k in range(n_modules):
            what = f"module {k + 1} of {n_modules} with its {width} values should be"
            words = self.next(width, what)
            count = self.integer(words[-1], what)
            if count < 0:
                self.fail(what, self.at - 1)
            rows_of_modules.append(self.at - 1)
            counts.append(count)
            # PMTs are the rows up to the next one of another width
            end = int(wrong[np.searchsorted(wrong, self.at)])
            if end < self.at + count:
                dom_id = words[0].decode("ascii", "replace")
                pmt = f"PMT {end - self.at + 1} of {count} of module {dom_id}"
                self.fail(f"{pmt} with its {pmt_width} values should be", end)
            self.at += count
        if self.at < len(self):
            self.fail(f"the file should end, after its {n_modules} modules", self.at)

        n_pmts = np.array(counts, dtype=np.int64)
        first_row = np.cumsum(n_pmts) - n_pmts
        modules_at = np.array(rows_of_modules, dtype=np.int64)
        is_pmt = np.ones(len(self) - begin, dtype=bool)
        is_pmt[modules_at - begin] = False
        values = self.values(begin)
        m = self.table(modules_at, width, (0, 1, 2, *((11,) if version > 4 else ())), values)
        pmts_at = begin + np.flatnonzero(is_pmt)
        p = self.table(pmts_at, pmt_width, (0, *((8,) if version > 2 else ())), values)
        pmts = Pmts(
            pmt_id=p[:, 0],
            pos=p[:, 1:4],
            dir=p[:, 4:7],
            t0=p[:, 7],
            status=p[:, 8] if version > 2 else np.zeros(len(p)),
        )
        modules = Modules(
            dom_id=m[:, 0],
            du=m[:, 1],
            floor=_repaired_floors(m[:, 1], m[:, 2]),
            pos=m[:, 3:6] if version > 3 else crossing_points(pmts.pos, pmts.dir, first_row, n_pmts),
            quaternion=m[:, 6:10] if version > 3 else None,
            t0=m[:, 10] if version > 3 else np.zeros(len(m)),
            status=m[:, 11] if version > 4 else np.zeros(len(m)),
            first_row=first_row,
            n_pmts=n_pmts,
        )
        return modules, pmts


def _repaired_floors(du: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """Give floors by order within the string where an old conversion wrote -1."""
    if not (floor == -1).any():
        return floor
    order = np.argsort(du, kind="stable")
    first = np.concatenate(([True], du[order][1:] != du[order][:-1]))
    place = np.empty(len(du), dtype=np.int64)
    place[order] = np.arange(len(du)) - np.maximum.accumulate(np.where(first, np.arange(len(du)), 0)) + 1
    return np.where(floor == -1, place, floor)
