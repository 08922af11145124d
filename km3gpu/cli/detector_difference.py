"""How two detector descriptions differ, in plain values and in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from km3gpu.detector import Detector
    from km3gpu.detector.difference import Difference

__all__ = ["compared", "lost", "pairs"]

# what may differ: its words, of modules or PMTs, its size in the summary and that size's unit
_KINDS = {
    "module_places": ("places (string, floor)", "modules", "", ""),
    "module_positions": ("positions of modules", "modules", "largest_shift_of_a_module_m", "m"),
    "module_t0": ("time offsets of modules", "modules", "largest_t0_difference_of_a_module_ns", "ns"),
    "module_status": ("status of modules", "modules", "", ""),
    "module_pmts": ("numbers of PMTs", "modules", "", ""),
    "pmt_identifiers": ("identifiers of PMTs", "pmts", "", ""),
    "pmt_positions": ("positions of PMTs", "pmts", "largest_shift_of_a_pmt_m", "m"),
    "pmt_axes": ("axes of PMTs", "pmts", "largest_angle_rad", "rad"),
    "pmt_axis_lengths": ("lengths of axes", "pmts", "largest_difference_of_axis_lengths", ""),
    "pmt_t0": ("time offsets of PMTs", "pmts", "largest_t0_difference_ns", "ns"),
    "pmt_status": ("status of PMTs", "pmts", "", ""),
}
_HEADER = {
    "det_id": "detector",
    "version": "version",
    "validity": "validity",
    "utm": "reference point",
}


def compared(
    a: Detector, b: Detector, *, length: float = 0.0, angle: float = 0.0, time: float = 0.0
) -> dict[str, Any]:
    """Compare two detectors, as plain values.

    Parameters
    ----------
    a, b : Detector
        With modules in common.
    length, angle, time : float
        Differences up to these [m, rad, ns] do not count.

    Returns
    -------
    dict
        ``same``; ``header``, attributes that differ with both values; ``only_a``,
        ``only_b``, identifiers of modules; ``differing``, how many modules or
        PMTs differ in what by more than that; ``summary``, that of
        `km3gpu.detector.difference.Difference`.

    Raises
    ------
    GeometryError
        They have no module in common.
    """
    from km3gpu.errors import GeometryError

    found = a.diff(b)
    if not len(found.modules):
        raise GeometryError(
            f"no module in common: {a.path} (detector {a.det_id}, {a.n_modules} modules)"
            f" and {b.path} (detector {b.det_id}, {b.n_modules} modules)",
            remedy="compare two descriptions of one detector",
        )
    return {
        "a": a.path,
        "b": b.path,
        "same": found.same(length=length, angle=angle, time=time),
        "tolerance": {"length": length, "angle": angle, "time": time},
        "header": {name: [_plain(v) for v in both] for name, both in found.header.items()},
        "only_a": found.only_a.tolist(),
        "only_b": found.only_b.tolist(),
        "differing": _differing(found, length, angle, time),
        "summary": found.summary(),
    }


def pairs(d: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Give what `compared` found as names and words."""
    s = d["summary"]
    rows: list[tuple[str, object]] = [("A", d["a"]), ("B", d["b"])]
    rows.append(("result", "the same" if d["same"] else "they differ"))
    rows += [(_HEADER[name], f"{_words(x)} in A, {_words(y)} in B") for name, (x, y) in d["header"].items()]
    rows.append(("in both", f"{s['modules_in_both']:,} modules, {s['pmts_in_both']:,} PMTs"))
    rows += [(f"in {x.upper()} only", _listed(d[f"only_{x}"])) for x in "ab"]
    for name, n in d["differing"].items():
        if n:
            words, of, size, unit = _KINDS[name]
            by = f", by up to {s[size]:.4g} {unit}".rstrip() if size else ""
            by += f"; median {s['median_t0_difference_ns']:.4g} ns" if name == "pmt_t0" else ""
            rows.append((words, f"{n:,} of {s[f'{of}_in_both']:,}{by}"))
    return rows


def lost(detector: Detector, written: Detector) -> list[str]:
    """Say what a file does not hold of the detector that was written to it.

    Parameters
    ----------
    detector : Detector
        What was to be written.
    written : Detector
        As it was read back.

    Returns
    -------
    list of str
        Empty where nothing is lost; what the file holds beyond it, such as a
        validity for all times, does not count.
    """
    import numpy as np

    found = detector.diff(written)
    said = []
    if len(found.only_a):
        said.append(f"{len(found.only_a):,} modules without PMTs")
    said += [
        f"the {_HEADER[name]}"
        for name, (before, _) in found.header.items()
        if name != "version" and before is not None
    ]
    said += [
        f"the {words} ({n:,})"
        for (words, *_), n in zip(_KINDS.values(), _differing(found).values(), strict=True)
        if n
    ]
    before, after = detector.modules.quaternion, written.modules.quaternion
    kept = np.isin(detector.modules.dom_id, written.modules.dom_id)
    if before is not None and (after is None or not np.array_equal(before[kept], after)):
        said.append("the orientations of modules")
    if detector.comments != written.comments:
        said.append(f"the comments ({len(detector.comments):,})")
    return said


def _differing(
    found: Difference, length: float = 0.0, angle: float = 0.0, time: float = 0.0
) -> dict[str, int]:
    """Count the modules and PMTs that differ by more than this, in the order of the kinds."""
    import numpy as np

    m, p = found.modules, found.pmts
    shift_m, shift_p = (np.linalg.norm([t.flat(c) for c in ("dx", "dy", "dz")], axis=0) for t in (m, p))
    which = {
        "module_places": m.flat("moved_place"),
        "module_positions": shift_m > length,
        "module_t0": np.abs(m.flat("dt0")) > time,
        "module_status": m.flat("status_a") != m.flat("status_b"),
        "module_pmts": m.flat("n_pmts_a") != m.flat("n_pmts_b"),
        "pmt_identifiers": p.flat("other_pmt"),
        "pmt_positions": shift_p > length,
        "pmt_axes": p.flat("angle") > angle,
        "pmt_axis_lengths": np.abs(p.flat("dlength")) > angle,
        "pmt_t0": np.abs(p.flat("dt0")) > time,
        "pmt_status": p.flat("status_a") != p.flat("status_b"),
    }
    return {name: int(which[name].sum()) for name in _KINDS}


def _listed(modules: list[int]) -> str:
    if not modules:
        return ""
    shown = ", ".join(map(str, modules[:6])) + (", ..." if len(modules) > 6 else "")
    return f"{len(modules):,} modules: {shown}"


def _plain(value: Any) -> Any:
    return (
        dataclasses.asdict(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type)
        else value
    )


def _words(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return "{ellipsoid} {zone} {easting} E {northing} N, z {z} m".format(**value)
    return " to ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
