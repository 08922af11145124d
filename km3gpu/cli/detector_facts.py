"""What a detector description holds, in plain values and in words."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping
from enum import IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from km3gpu.detector import Detector

__all__ = ["described", "pairs"]

_NO_END = 9_999_999_999.0  # what files that are valid until further notice hold
_LONG = 600  # characters of comments from which on they are not shown


def described(detector: Detector) -> dict[str, Any]:
    """Describe a detector as plain values.

    Parameters
    ----------
    detector : Detector
        From a file.

    Returns
    -------
    dict
        Lengths in m, ``volume`` in m^3, ``t0`` (smallest and largest of the PMTs)
        in ns, ``validity`` in unix seconds; by name of the bit, how many modules
        and PMTs have it in their status.
    """
    from km3gpu.detector import ModuleStatus, PmtStatus
    from km3gpu.io.filebytes import file_bytes

    m, p, utm = detector.modules, detector.pmts, detector.utm
    return {
        "path": detector.path,
        "bytes": file_bytes(detector.path).size,
        "kind": "detector",
        "version": detector.version,
        "detector": detector.det_id,
        "validity": detector.validity,
        "utm": None if utm is None else dataclasses.asdict(utm),
        "strings": len(detector.dus),
        "string_numbers": detector.dus.tolist(),
        "floors": [int(f) for f in detector.floors if f > 0],
        "modules": detector.n_modules,
        "base_modules": int((m.floor == 0).sum()),
        "pmts": detector.n_pmts,
        "centre": [_finite(x) for x in detector.centre],
        "volume": detector.volume,
        "floor_distance": _finite(detector.floor_distance),
        "t0": [float(p.t0.min()), float(p.t0.max())] if len(p) else None,
        "module_status": _bits(m.status, ModuleStatus),
        "pmt_status": _bits(p.status, PmtStatus),
        "modules_with_status": int((m.status != 0).sum()),
        "pmts_with_status": int((p.status != 0).sum()),
        "digest": detector.digest,
        "comments": list(detector.comments),
    }


def pairs(d: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Give what `described` found as names and words."""
    from km3gpu.cli.printing import bytes_text

    base = f", {d['base_modules']:,} of them base modules" if d["base_modules"] else ""
    centre = None if None in d["centre"] else "  ".join(f"{x:.2f}" for x in d["centre"]) + " m"
    status = [_status("modules", d["modules_with_status"], d["modules"], d["module_status"])]
    status += [_status("PMTs", d["pmts_with_status"], d["pmts"], d["pmt_status"])]
    return [
        ("is", f"a detector description, version {d['version']}, {bytes_text(d['bytes'])}"),
        ("detector", d["detector"]),
        ("valid", d["validity"] and f"from {_date(d['validity'][0])} to {_date(d['validity'][1])}"),
        ("UTM", d["utm"] and "{ellipsoid} {zone} {easting} E {northing} N, z {z} m".format(**d["utm"])),
        ("strings", f"{d['strings']}: {_ranges(d['string_numbers'])}".removesuffix(": ")),
        ("floors", _ranges(d["floors"])),
        ("modules", f"{d['modules']:,}{base}"),
        ("PMTs", f"{d['pmts']:,}"),
        ("centre", centre),
        ("volume", f"{_volume(d['volume'])} (convex hull from above times height)" if d["volume"] else None),
        ("floor distance", d["floor_distance"] and f"{d['floor_distance']:.2f} m"),
        ("t0 of PMTs", d["t0"] and f"{d['t0'][0]:.3f} to {d['t0'][1]:.3f} ns"),
        ("status", "\n".join(status)),
        ("digest", d["digest"]),
        ("made by", _made(d["comments"])),
        ("comments", _shortened(d["comments"])),
    ]


def _bits(status: np.ndarray, names: type[IntFlag]) -> dict[str, int]:
    """Count how many have each bit that is set anywhere."""
    known = {bit.value: bit.name for bit in names}
    counts = ((1 << k, int((status & (1 << k) != 0).sum())) for k in range(31))
    return {known.get(bit) or f"bit {bit.bit_length() - 1}": n for bit, n in counts if n}


def _status(what: str, n: int, of: int, bits: Mapping[str, int]) -> str:
    if not n:
        return f"{what}: all 0"
    return f"{what}: {n:,} of {of:,} not 0 (" + ", ".join(f"{k} {v:,}" for k, v in bits.items()) + ")"


def _made(comments: Iterable[str]) -> str:
    """Name the applications that comments tell of, in the order of the comments."""
    names = [c.split()[1] for c in comments if c.startswith("application ") and len(c.split()) > 1]
    return ", ".join(
        name + (f" ({n} times)" if n > 1 else "") for name, n in collections.Counter(names).items()
    )


def _shortened(comments: list[str]) -> str:
    text = "\n".join(comments)
    return text if len(text) <= _LONG else f"{len(comments):,}, {len(text):,} characters: --json shows them"


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _volume(m3: float) -> str:
    return f"{m3 / 1e9:.3g} km³" if m3 > 1e6 else f"{m3:,.0f} m³"


def _date(seconds: float) -> str:
    if seconds <= 0:
        return "the beginning"
    if seconds >= _NO_END:
        return "further notice"
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _ranges(numbers: Iterable[int]) -> str:
    """Write ascending numbers with runs as ``first-last``."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1][1:] = [n]
        else:
            runs.append([n])
    return ", ".join("-".join(map(str, run)) for run in runs)
