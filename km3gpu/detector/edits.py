"""Detectors made from detectors: joined, cut, moved, turned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from km3gpu.detector.arrays import Modules, Pmts, Utm
from km3gpu.detector.quaternions import about_axis, product
from km3gpu.detector.quaternions import rotate as turn
from km3gpu.errors import GeometryError

if TYPE_CHECKING:
    from km3gpu.detector.detector import Detector

__all__ = ["combine", "cut", "refer_to", "rotate", "translate"]


def cut(
    detector: Detector,
    *,
    dus: Iterable[int] | None = None,
    floors: Iterable[int] | None = None,
    dom_ids: Iterable[int] | None = None,
    where: np.ndarray | None = None,
) -> Detector:
    """Keep some modules, with their PMTs; all conditions must hold.

    Parameters
    ----------
    detector : Detector
        n modules.
    dus, floors, dom_ids : iterable of int, optional
        Strings, floors (0 for base modules) and modules to keep.
    where : (n,) bool array, optional
        Modules to keep.

    Raises
    ------
    GeometryError
        A string, floor or module is not there, or nothing would be left.
    """
    m = detector.modules
    keep = np.ones(len(m), dtype=bool) if where is None else np.array(where, dtype=bool)
    if keep.shape != (len(m),):
        raise GeometryError(f"a mask of {keep.size} for the {len(m)} modules of {detector!r}")
    told = []
    for name, column, wanted in (
        ("strings", m.du, dus),
        ("floors", m.floor, floors),
        ("modules", m.dom_id, dom_ids),
    ):
        if wanted is None:
            continue
        asked = np.unique(np.fromiter(wanted, dtype=np.int64))
        if len(missing := asked[~np.isin(asked, column)]):
            raise GeometryError(
                f"no {name} {', '.join(map(str, missing[:5]))}", where=detector.path or repr(detector)
            )
        keep &= np.isin(column, asked)
        told.append(f"{name} {', '.join(map(str, asked[:5]))}" + (", ..." if len(asked) > 5 else ""))
    if not keep.any():
        raise GeometryError(f"no module of {detector!r} would be left", remedy="loosen the conditions")
    modules, pmts = _rows(m, detector.pmts, np.flatnonzero(keep))
    note = f"cut to {' and '.join(told) or 'a selection'}, {len(modules)} of {len(m)} modules"
    return _noted(detector, note, modules=modules, pmts=pmts)


def _rows(modules: Modules, pmts: Pmts, rows: np.ndarray) -> tuple[Modules, Pmts]:
    n = modules.n_pmts[rows].astype(np.int64)
    first = np.cumsum(n) - n
    index = np.repeat(modules.first_row[rows] - first, n) + np.arange(int(n.sum()))
    kept = {f.name: _take(getattr(modules, f.name), rows) for f in fields(Modules)}
    taken = Pmts(**{f.name: getattr(pmts, f.name)[index] for f in fields(Pmts)})
    return Modules(**{**kept, "first_row": first}), taken


def _take(column: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if column is None else column[rows]


def combine(first: Detector, *others: Detector, det_id: int | None = None) -> Detector:
    """Join detectors that share no module, string floor or PMT.

    Parameters
    ----------
    first, *others : Detector
        All with a reference point in one UTM zone, or all without one.
    det_id : int, optional
        Of the whole; that of `first` by default.

    Returns
    -------
    Detector
        Relative to the reference point of `first`; valid when all are.

    Raises
    ------
    GeometryError
        Reference points cannot be brought together, or something comes twice.
    """
    parts = [first, *(_as_seen_from(first, d) for d in others)]
    for name, keys in (
        ("module", [d.modules.dom_id for d in parts]),
        ("string and floor", [np.column_stack((d.modules.du, d.modules.floor)) for d in parts]),
        ("PMT", [d.pmts.pmt_id for d in parts]),
    ):
        _refuse_twice(name, keys)
    offset = np.cumsum([0, *(d.n_pmts for d in parts)])
    quaternions = [_quaternion(d.modules) for d in parts]
    none = all(d.modules.quaternion is None for d in parts)
    columns = {
        f.name: np.concatenate([getattr(d.modules, f.name) for d in parts])
        for f in fields(Modules)
        if f.name not in ("quaternion", "first_row")
    }
    modules = Modules(
        **columns,
        quaternion=None if none else np.concatenate(quaternions),
        first_row=np.concatenate([d.modules.first_row + o for d, o in zip(parts, offset, strict=False)]),
    )
    pmts = Pmts(**{f.name: np.concatenate([getattr(d.pmts, f.name) for d in parts]) for f in fields(Pmts)})
    spans = [d.validity for d in parts if d.validity is not None]
    return first.replace(
        det_id=first.det_id if det_id is None else det_id,
        version=max(d.version for d in parts),
        comments=(
            *(c for d in parts for c in d.comments),
            f"km3gpu: detectors {', '.join(str(d.det_id) for d in parts)} joined",
        ),
        validity=(max(s[0] for s in spans), min(s[1] for s in spans)) if spans else None,
        modules=modules,
        pmts=pmts,
    )


def _as_seen_from(first: Detector, other: Detector) -> Detector:
    if (first.utm is None) != (other.utm is None):
        raise GeometryError(
            f"one of {first!r} and {other!r} has a reference point, the other none",
            remedy="set it with replace(utm=Utm(...))",
        )
    return other if first.utm is None else refer_to(other, first.utm)


def _refuse_twice(name: str, keys: list[np.ndarray]) -> None:
    # within one detector a floor may hold several modules
    each = np.concatenate([np.unique(k, axis=0) for k in keys])
    values, counts = np.unique(each, axis=0, return_counts=True)
    if (counts > 1).any():
        first = ", ".join(map(str, np.atleast_1d(values[np.argmax(counts > 1)])))
        raise GeometryError(
            f"{int((counts > 1).sum())} times a {name} is in more than one detector (first: {first})",
            remedy="join detectors that have nothing in common",
        )


def _quaternion(m: Modules) -> np.ndarray:
    return np.tile([1.0, 0.0, 0.0, 0.0], (len(m), 1)) if m.quaternion is None else m.quaternion


def _three(name: str, values: Iterable[float]) -> np.ndarray:
    try:
        found = np.array(list(values), dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(0)
    if found.shape != (3,) or not np.isfinite(found).all() or (name == "axis" and not found.any()):
        raise GeometryError(f"{name} is {values!r}", remedy="give three numbers: x, y, z")
    return found


def translate(detector: Detector, offset: Iterable[float]) -> Detector:
    """Move all modules and PMTs by `offset` (x, y, z) [m]; the reference point stays.

    Raises
    ------
    GeometryError
        `offset` is not three finite numbers.
    """
    shift = _three("offset", offset)
    return _noted(
        detector,
        f"moved by {shift[0]!s}, {shift[1]!s}, {shift[2]!s} m",
        modules=replace(detector.modules, pos=detector.modules.pos + shift),
        pmts=replace(detector.pmts, pos=detector.pmts.pos + shift),
    )


def refer_to(detector: Detector, utm: Utm) -> Detector:
    """Take another reference point; modules stay where they are on Earth.

    Raises
    ------
    GeometryError
        The detector has no reference point, or in another zone.
    """
    old = detector.utm
    if old is None or (old.zone, old.ellipsoid) != (utm.zone, utm.ellipsoid):
        raise GeometryError(
            f"the reference point {old} of {detector!r} and {utm} are not in one zone",
            remedy="move the detector with translate and replace(utm=...)",
        )
    shift = (old.easting - utm.easting, old.northing - utm.northing, old.z - utm.z)
    return detector if not any(shift) else translate(detector, shift).replace(utm=utm)


def rotate(
    detector: Detector,
    angle: float,
    *,
    axis: Iterable[float] = (0.0, 0.0, 1.0),
    about: Literal["centre", "module"] | Iterable[float] = "centre",
    where: np.ndarray | None = None,
) -> Detector:
    """Turn modules with their PMTs.

    Parameters
    ----------
    detector : Detector
        n modules.
    angle : float
        rad, right-handed about `axis`: from East towards North about the vertical.
    axis : (x, y, z)
        Vertical by default.
    about : {"centre", "module"} or (x, y, z)
        A point that stays: the centre of the detector, that of each module, or
        this one [m].
    where : (n,) bool array, optional
        Modules to turn; all by default.

    Returns
    -------
    Detector
        Quaternions of turned modules are turned likewise.

    Raises
    ------
    GeometryError
        An angle, axis, point or mask that is none.
    """
    m, p = detector.modules, detector.pmts
    chosen = np.ones(len(m), dtype=bool) if where is None else np.array(where, dtype=bool)
    if chosen.shape != (len(m),):
        raise GeometryError(f"a mask of {chosen.size} for the {len(m)} modules of {detector!r}")
    if not (isinstance(angle, int | float | np.floating) and np.isfinite(angle)):
        raise GeometryError(f"angle is {angle!r}", remedy="give radians")
    q = about_axis(_three("axis", axis), float(angle))
    if isinstance(about, str):
        if about not in ("centre", "module"):
            raise GeometryError(
                f"nothing to turn about: {about!r}", remedy="take 'centre', 'module' or a point"
            )
        origin = m.pos if about == "module" else np.tile(detector.centre, (len(m), 1))
    else:
        origin = np.tile(_three("about", about), (len(m), 1))
    of_pmt = np.repeat(np.arange(len(m)), m.n_pmts)
    pmts = chosen[of_pmt]
    pos, pmt_pos, pmt_dir = m.pos.copy(), p.pos.copy(), p.dir.copy()
    pos[chosen] = origin[chosen] + turn(q, m.pos[chosen] - origin[chosen])
    pmt_pos[pmts] = origin[of_pmt[pmts]] + turn(q, p.pos[pmts] - origin[of_pmt[pmts]])
    pmt_dir[pmts] = turn(q, p.dir[pmts])
    quaternion = m.quaternion
    if quaternion is not None:
        quaternion = np.where(chosen[:, None], product(q, quaternion), quaternion)
    return _noted(
        detector,
        f"{int(chosen.sum())} modules turned by {angle!r} rad about the {about}",
        modules=replace(m, pos=pos, quaternion=quaternion),
        pmts=replace(p, pos=pmt_pos, dir=pmt_dir),
    )


def _noted(detector: Detector, note: str, *, modules: Modules, pmts: Pmts) -> Detector:
    return detector.replace(modules=modules, pmts=pmts, comments=(*detector.comments, f"km3gpu: {note}"))
