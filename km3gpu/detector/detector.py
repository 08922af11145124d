"""The detector: where every PMT is, where it looks, and its time offset."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from km3gpu.backend import Backend
from km3gpu.detector import datx, detx, edits, layout, writing
from km3gpu.detector.arrays import Content
from km3gpu.detector.difference import compare
from km3gpu.errors import FormatError, GeometryError, InputNotFoundError, UnknownNameError
from km3gpu.extras import resolve_path

if TYPE_CHECKING:
    from km3gpu.kernels.lookup import PmtLookup

__all__ = ["Detector"]

_SCALARS = ("det_id", "version", "validity", "utm")  # what is in a digest beside the arrays; not comments


@dataclass(frozen=True, eq=False)
class Detector(Content):
    """A detector description as flat arrays.

    Make one with `Detector.open`.  It is picklable, and its arrays are
    read-only, since one detector serves many chunks.

    Attributes
    ----------
    det_id : int
        Identifier of the detector.
    version : int
        Version of the format, 1 to 5.
    comments : tuple of str
        Comments of the file, without their ``#``.
    validity : (float, float) or None
        From and to, unix seconds; None in version 1.
    utm : Utm or None
        Reference point; None in version 1.
    modules : Modules
        One row per module, base modules included.
    pmts : Pmts
        One row per PMT.
    path : str
        The file, ``""`` for a detector that was made in memory.
    digest : str
        ``"sha256:..."`` of the file's bytes.
    """

    path: str = ""
    digest: str = ""

    combine = edits.combine
    cut = edits.cut
    diff = compare
    du_table = layout.du_table
    neighbours = layout.neighbours
    refer_to = edits.refer_to
    rotate = edits.rotate
    row_at = layout.row_at
    row_of = layout.row_of
    translate = edits.translate

    @classmethod
    def open(cls, path: str | Path) -> Detector:
        """Read a DETX (version 1 to 5) or DATX (version 5) file; its bytes tell which.

        Parameters
        ----------
        path : str or Path
            ``"testdata:..."`` names a file of the package km3net-testdata.

        Returns
        -------
        Detector

        Raises
        ------
        InputNotFoundError
            There is no such file.
        FormatError
            It is no detector file, or malformed; line or byte are named.
        TruncatedFileError
            It ends before what it announces.
        """
        name = resolve_path(str(path))
        try:
            data = Path(name).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            raise InputNotFoundError(f"no detector file {name!r}", remedy="check the path") from None
        return cls.from_bytes(data, name)

    @classmethod
    def from_bytes(cls, data: bytes, path: str = "") -> Detector:
        """Read a DETX or DATX file from memory; `path` names it in errors."""
        if datx.is_datx(data):
            content = datx.parse(data, path)
        elif b"\0" in data[:4096]:
            raise FormatError(
                "no detector file: neither DETX text nor DATX",
                where=path,
                remedy="give a .detx or .datx file",
            )
        else:
            content = detx.parse(data, path)
        detector = cls(**vars(content), path=path, digest="sha256:" + hashlib.sha256(data).hexdigest())
        detector._check_consistent()
        return detector

    def _check_consistent(self) -> None:
        m = self.modules
        ids, counts = np.unique(m.dom_id, return_counts=True)
        if (counts > 1).any():
            raise FormatError(f"module {ids[np.argmax(counts > 1)]} occurs twice", where=self.path or None)
        if not np.array_equal(m.first_row, np.cumsum(m.n_pmts) - m.n_pmts) or m.n_pmts.sum() != self.n_pmts:
            raise FormatError("the rows of the modules are not those of the PMTs", where=self.path or None)

    def write(self, path: str | Path, version: int | None = None) -> None:
        """Write a DETX or DATX file, by the end of its name; see `km3gpu.detector.writing.write`."""
        writing.write(self, path, version)

    def replace(self, **changes: Any) -> Detector:
        """Give a detector with some attributes replaced.

        Parameters
        ----------
        **changes
            ``det_id``, ``version``, ``comments``, ``validity``, ``utm``,
            ``modules`` or ``pmts``.

        Returns
        -------
        Detector
            Without a path; its digest is that of its content, prefixed
            ``"content:"``, so that it cannot be taken for that of a file.
        """
        names = [f.name for f in fields(Content)]
        for name in changes:
            if name not in names:
                raise UnknownNameError.of("attribute", name, names, where="a detector")
        content = Content(**{n: changes.get(n, getattr(self, n)) for n in names})
        detector = Detector(**vars(content), digest=_content_digest(content))
        detector._check_consistent()
        return detector

    @property
    def n_modules(self) -> int:
        """Number of modules, base modules included."""
        return len(self.modules)

    @property
    def n_pmts(self) -> int:
        """Number of PMTs."""
        return len(self.pmts)

    @property
    def optical(self) -> np.ndarray:
        """Which modules have PMTs, (n,) bool."""
        return np.asarray(self.modules.n_pmts > 0)

    @property
    def dus(self) -> np.ndarray:
        """Numbers of the strings, sorted."""
        return np.unique(self.modules.du)

    @property
    def floors(self) -> np.ndarray:
        """Numbers of the floors, sorted; 0 stands for base modules."""
        return np.unique(self.modules.floor)

    @property
    def centre(self) -> np.ndarray:
        """Mean position of the optical modules, (3,) [m]."""
        pos = self.modules.pos[self.optical]
        return np.asarray(pos.mean(axis=0)) if len(pos) else np.full(3, np.nan)

    @property
    def floor_distance(self) -> float:
        """Mean vertical distance between neighbours on a string [m]; see `layout.floor_distance`."""
        return layout.floor_distance(self)

    @property
    def volume(self) -> float:
        """Instrumented volume [m^3]: area of the convex hull from above times height."""
        return layout.volume(self)

    @functools.cached_property
    def lookup(self) -> PmtLookup:
        """The table in which kernels find time offset, position and axis of a PMT by module and channel."""
        from km3gpu.kernels import lookup

        return lookup.build(self.modules.dom_id, self.modules.first_row, self.modules.n_pmts, self._rows())

    @functools.cached_property
    def lookup_by_pmt(self) -> PmtLookup:
        """The same by the identifier of the PMT, as simulated hits hold it."""
        from km3gpu.kernels import lookup

        row = np.arange(self.n_pmts)
        return lookup.build(self.pmts.pmt_id, row, np.ones_like(row), self._rows())

    def _rows(self) -> np.ndarray:
        return np.column_stack((self.pmts.t0, self.pmts.pos, self.pmts.dir))

    def missing_modules(self, dom_ids: np.ndarray) -> np.ndarray:
        """Give the module ids in `dom_ids` that this detector does not have.

        Parameters
        ----------
        dom_ids : (n,) int array
            Module ids of hits, in any order.

        Returns
        -------
        (k,) int array
            Sorted, each once.
        """
        seen = np.unique(dom_ids)
        return seen[~np.isin(seen, self.modules.dom_id)]

    def misfit(
        self, error: GeometryError, dom_ids: Any, *, det_id: int | None = None, where: str | None = None
    ) -> GeometryError:
        """Say more about an error that data and this detector do not fit.

        Parameters
        ----------
        error : GeometryError
            What a kernel found: the first hit that does not fit.
        dom_ids : (n,) int array
            Module ids of all hits, on the host or a device.
        det_id : int, optional
            Detector id that the data carry.
        where : str, optional
            The data, for the message.

        Returns
        -------
        GeometryError
            How many modules and hits are affected, and which detector this is.
            Where every module is known (a channel that does not exist, say),
            `error` itself with `where` filled in.
        """
        ids = Backend.to_host(dom_ids)
        missing = self.missing_modules(ids)
        if not len(missing):
            return GeometryError(error.what, where=where or error.where, remedy=error.remedy)
        shown = ", ".join(str(d) for d in missing[:3]) + (", ..." if len(missing) > 3 else "")
        these = f"detector {self.det_id}" + ("" if det_id is None else f", the data are of detector {det_id}")
        return GeometryError(
            f"{len(missing)} of {len(np.unique(ids))} modules of the data"
            f" ({int(np.isin(ids, missing).sum())} of {len(ids)} hits) are not in"
            f" {self.path or 'the detector'}: {shown}",
            where=where,
            remedy=f"take the detector file that belongs to the data (this one is {these})",
        )

    def __getstate__(self) -> dict[str, Any]:
        # lookups are made anew: they are larger than what they are made of
        return {k: v for k, v in self.__dict__.items() if not k.startswith("lookup")}

    def __repr__(self) -> str:
        return (
            f"<Detector {self.det_id} v{self.version}: {self.n_modules} modules, {self.n_pmts} PMTs"
            f"{' from ' + Path(self.path).name if self.path else ''}>"
        )


def _content_digest(content: Content) -> str:
    scalars = repr([getattr(content, n) for n in _SCALARS])
    told = f"{scalars} {content.modules.digest} {content.pmts.digest}"
    return "content:sha256:" + hashlib.sha256(told.encode()).hexdigest()
