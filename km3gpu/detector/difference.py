"""What differs between two detector descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from km3gpu.table import Table

if TYPE_CHECKING:
    from km3gpu.detector.detector import Detector

__all__ = ["Difference", "compare"]


@dataclass(frozen=True, eq=False)
class Difference:
    """Two detector descriptions, side by side.

    Attributes
    ----------
    header : mapping of str to (object, object)
        Attributes that differ (``det_id``, ``version``, ``validity``, ``utm``),
        with both values.
    only_a, only_b : (k,) int32 arrays
        Modules that only one of them has.
    modules : Table
        One row per module of both: ``dom_id``, ``du``, ``floor`` (of A),
        ``moved_place`` (another string or floor), ``n_pmts_a``, ``n_pmts_b``,
        ``dx, dy, dz`` [m] of its centre, ``dt0`` [ns], ``status_a``, ``status_b``.
    pmts : Table
        One row per channel of both: ``dom_id``, ``channel_id``, ``du``,
        ``floor``, ``dx, dy, dz`` [m], ``angle`` [rad] between the axes and ``dlength``
        of their lengths (1 but for rounding in the file), ``t0_a``, ``t0_b``,
        ``dt0`` [ns], ``status_a``, ``status_b``, ``other_pmt`` (another PMT
        identifier).  Differences are B less A.
    """

    header: Mapping[str, tuple[Any, Any]]
    only_a: np.ndarray
    only_b: np.ndarray
    modules: Table
    pmts: Table

    def summary(self) -> dict[str, float]:
        """Count and size what differs.

        Returns
        -------
        dict of str to float
            Numbers of modules in one only, of those at another place, with other
            status, of PMTs with another identifier or status; largest shifts [m],
            angle [rad] and time differences [ns].
        """
        m, p = self.modules, self.pmts
        return {
            "modules_only_a": len(self.only_a),
            "modules_only_b": len(self.only_b),
            "modules_in_both": len(m),
            "modules_at_another_place": int(m.flat("moved_place").sum()),
            "modules_with_another_number_of_pmts": int((m.flat("n_pmts_a") != m.flat("n_pmts_b")).sum()),
            "modules_with_another_status": int((m.flat("status_a") != m.flat("status_b")).sum()),
            "largest_shift_of_a_module_m": _largest(_norm(m)),
            "largest_t0_difference_of_a_module_ns": _largest(m.flat("dt0")),
            "pmts_in_both": len(p),
            "pmts_with_another_identifier": int(p.flat("other_pmt").sum()),
            "pmts_with_another_status": int((p.flat("status_a") != p.flat("status_b")).sum()),
            "largest_shift_of_a_pmt_m": _largest(_norm(p)),
            "largest_angle_rad": _largest(p.flat("angle")),
            "largest_difference_of_axis_lengths": _largest(p.flat("dlength")),
            "largest_t0_difference_ns": _largest(p.flat("dt0")),
            "median_t0_difference_ns": float(np.median(p.flat("dt0"))) if len(p) else 0.0,
        }

    def same(self, *, length: float = 0.0, angle: float = 0.0, time: float = 0.0) -> bool:
        """Tell whether nothing differs by more than this.

        Parameters
        ----------
        length, angle, time : float
            m, rad (and for the lengths of axes), ns; identifiers, places and status must agree anyway.
        """
        s = self.summary()
        counts = [
            v
            for k, v in s.items()
            if k.startswith(("modules_only", "modules_at", "modules_with", "pmts_with"))
        ]
        return (
            not self.header
            and not any(counts)
            and max(s["largest_shift_of_a_module_m"], s["largest_shift_of_a_pmt_m"]) <= length
            and max(s["largest_angle_rad"], s["largest_difference_of_axis_lengths"]) <= angle
            and max(s["largest_t0_difference_of_a_module_ns"], s["largest_t0_difference_ns"]) <= time
        )


def _norm(table: Table) -> np.ndarray:
    return np.asarray(np.linalg.norm([table.flat(c) for c in ("dx", "dy", "dz")], axis=0))


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max()) if len(values) else 0.0


def compare(a: Detector, b: Detector) -> Difference:
    """Compare two detectors, module by module and channel by channel.

    Parameters
    ----------
    a, b : Detector
        In any order of modules; positions are compared as they are, relative to
        each one's own reference point.

    Returns
    -------
    Difference
    """
    header = {
        name: (getattr(a, name), getattr(b, name))
        for name in ("det_id", "version", "validity", "utm")
        if getattr(a, name) != getattr(b, name)
    }
    dom_id, in_a, in_b = np.intersect1d(a.modules.dom_id, b.modules.dom_id, return_indices=True)
    rows_a, channel = _channels(a, in_a, np.minimum(a.modules.n_pmts[in_a], b.modules.n_pmts[in_b]))
    rows_b, _ = _channels(b, in_b, np.minimum(a.modules.n_pmts[in_a], b.modules.n_pmts[in_b]))
    of_pmt = np.repeat(np.arange(len(dom_id)), np.minimum(a.modules.n_pmts[in_a], b.modules.n_pmts[in_b]))
    ma, mb, pa, pb = a.modules, b.modules, a.pmts, b.pmts
    modules = Table(
        "modules",
        {
            "dom_id": dom_id,
            "du": ma.du[in_a],
            "floor": ma.floor[in_a],
            "moved_place": (ma.du[in_a] != mb.du[in_b]) | (ma.floor[in_a] != mb.floor[in_b]),
            "n_pmts_a": ma.n_pmts[in_a],
            "n_pmts_b": mb.n_pmts[in_b],
            **_shift(mb.pos[in_b] - ma.pos[in_a]),
            "dt0": mb.t0[in_b] - ma.t0[in_a],
            "status_a": ma.status[in_a],
            "status_b": mb.status[in_b],
        },
    )
    pmts = Table(
        "pmts",
        {
            "dom_id": dom_id[of_pmt],
            "channel_id": channel,
            "du": ma.du[in_a][of_pmt],
            "floor": ma.floor[in_a][of_pmt],
            **_shift(pb.pos[rows_b] - pa.pos[rows_a]),
            "angle": _angle(pa.dir[rows_a], pb.dir[rows_b]),
            "dlength": np.linalg.norm(pb.dir[rows_b], axis=1) - np.linalg.norm(pa.dir[rows_a], axis=1),
            "t0_a": pa.t0[rows_a],
            "t0_b": pb.t0[rows_b],
            "dt0": pb.t0[rows_b] - pa.t0[rows_a],
            "status_a": pa.status[rows_a],
            "status_b": pb.status[rows_b],
            "other_pmt": pa.pmt_id[rows_a] != pb.pmt_id[rows_b],
        },
    )
    return Difference(
        header,
        np.setdiff1d(ma.dom_id, mb.dom_id),
        np.setdiff1d(mb.dom_id, ma.dom_id),
        modules,
        pmts,
    )


def _channels(detector: Detector, modules: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give rows of PMTs and channels of the first `n` channels of some modules."""
    n = n.astype(np.int64)
    channel = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
    return np.repeat(detector.modules.first_row[modules], n) + channel, channel.astype(np.int32)


def _shift(delta: np.ndarray) -> dict[str, np.ndarray]:
    return {f"d{c}": np.ascontiguousarray(delta[:, i]) for i, c in enumerate("xyz")}


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), (a * b).sum(axis=1)))
