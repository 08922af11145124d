"""Modules turned against their own frame."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Detector
from km3gpu.detector import quaternions as qn
from km3gpu.detector.assembly import AXES, turned


def test_axes_are_those_of_simulated_modules(data: Path) -> None:
    det = Detector.open(data / "detx/KM3NeT_-00000001_20171212.detx")
    np.testing.assert_allclose(det.pmts.dir[:31], AXES, rtol=0, atol=1e-3)
    q, residual = turned(det.modules, det.pmts)
    np.testing.assert_allclose(q, np.tile([1.0, 0, 0, 0], (det.n_modules, 1)), rtol=0, atol=1e-3)
    assert np.degrees(residual.max()) < 0.01


@pytest.mark.parametrize(
    ("name", "odd"),
    # modules that Jpp's JDetectorSupportkit lists as assembled otherwise: cables
    # swapped (817565802, 808972598), lower half turned (817603901), both and a
    # ring shifted (817802210)
    [
        ("datx/KM3NeT_00000133_20221025.datx", [817802210]),
        ("detector_geometry/KM3NeT_00000232.detector.datx", [817565802, 817603901, 817802210]),
        ("detx/detx_v5.detx", []),
        ("detx/detx_v5_invalid_multiline_comments.detx", [808972598]),
        ("detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx", []),
    ],
)
def test_modules_that_were_assembled_otherwise_stand_out(data: Path, name: str, odd: list[int]) -> None:
    det = Detector.open(data / name)
    q, residual = turned(det.modules, det.pmts)
    optical = det.modules.n_pmts > 0
    assert sorted(det.modules.dom_id[residual > np.radians(1.0)].tolist()) == odd
    assert np.degrees(residual[residual < np.radians(1.0)].max()) < 0.06
    assert np.isfinite(q[optical]).all()
    assert np.isnan(q[~optical]).all()
    # of the odd ones, too, most of the upper half lies on the axes
    for i in np.flatnonzero(residual > np.radians(1.0)):
        axes = det.pmts.dir[det.modules.first_row[i] :][:31]
        cosine = (qn.rotate(q[i], AXES) * axes).sum(axis=1)[AXES[:, 2] > 0]
        assert (cosine > np.cos(np.radians(1.0))).sum() >= 8


def test_a_known_turn_is_found_also_with_swapped_cables(data: Path) -> None:
    det = Detector.open(data / "detx/KM3NeT_-00000001_20171212.detx")
    q = qn.about_axis([0.1, 0.2, 1.0], 2.0)
    axes = qn.rotate(q, det.pmts.dir)
    axes[[3, 4]] = axes[[4, 3]]  # upper half of the first module
    axes[[31 + 15, 31 + 17]] = axes[[31 + 17, 31 + 15]]  # lower half of the second
    found, residual = turned(det.modules, replace(det.pmts, dir=axes))
    np.testing.assert_allclose(np.abs(found @ q), 1.0, rtol=0, atol=1e-6)
    assert (np.degrees(residual[:2]) > 20).all()
    assert (np.degrees(residual[2:]) < 0.1).all()


def test_modules_of_another_make_tell_nothing(data: Path) -> None:
    for name in ("detx_v3", "orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2"):
        det = Detector.open(data / f"detx/{name}.detx")
        few = slice(0, 6)
        modules = replace(det.modules, **{k: v[few] for k, v in vars(det.modules).items() if v is not None})
        assert np.isnan(turned(modules, det.pmts)[0]).all()
