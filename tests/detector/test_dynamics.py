"""The detector at one time: what must stay, and a slow reading of the rules."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Detector, Dynamics, Mechanics, Orientations, StringShapes, assembly
from km3gpu.detector import quaternions as qn
from km3gpu.detector.strings import displacement
from km3gpu.errors import CalibrationError, ConfigError, GeometryError

ARCA = "calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root"
TIME = 1693408100.0


@pytest.fixture(scope="module")
def detector(data: Path) -> Detector:
    return Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")


@pytest.fixture(scope="module")
def measured(data: Path) -> Orientations:
    return Orientations.open(data / ARCA)


def still(detector: Detector, **shape: float) -> StringShapes:
    """Make fits of one shape for every string of a detector."""
    strings = np.repeat(np.unique(detector.modules.du), 2)
    columns = {c: np.full(len(strings), shape.get(c, 0.0)) for c in ("tx", "ty", "tx2", "ty2", "vs")}
    t = np.tile([TIME - 1.0, TIME + 1.0], len(strings) // 2)
    return StringShapes(strings, t, **columns, mechanics=Mechanics([-1], [0.00094], [294.291]), det_id=133)


def within(det: Detector) -> np.ndarray:
    """Give all distances between PMTs of the same module."""
    found = []
    for first, n in zip(det.modules.first_row, det.modules.n_pmts, strict=True):
        pos = det.pmts.pos[first : first + n]
        found.append(np.linalg.norm(pos[:, None] - pos, axis=-1).ravel())
    return np.concatenate(found)


def test_turned_modules_are_where_their_compass_says(detector: Detector, measured: Orientations) -> None:
    made = Dynamics(detector, measured, missing="static").at(TIME)
    modules, q = measured.at(TIME)
    residual = assembly.turned(detector.modules, detector.pmts)[1]
    for dom_id, orientation in zip(modules, q, strict=True):
        (i,) = np.flatnonzero(detector.modules.dom_id == dom_id)
        if residual[i] > 0.02:
            continue  # assembled otherwise
        axes = made.pmts.dir[detector.modules.first_row[i] :][:31]
        expected = qn.product(detector.modules.quaternion[i], orientation)
        angle = np.arccos(np.clip((qn.rotate(expected, assembly.AXES) * axes).sum(axis=1), -1, 1))
        assert np.degrees(angle.max()) < 0.06
        np.testing.assert_allclose(made.modules.quaternion[i], expected, rtol=0, atol=1e-12)


def test_modules_stay_rigid_and_in_place(detector: Detector, measured: Orientations) -> None:
    made = Dynamics(detector, measured, missing="static").at(TIME)
    np.testing.assert_array_equal(made.modules.pos, detector.modules.pos)
    np.testing.assert_allclose(within(made), within(detector), rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(made.pmts.dir, axis=1), 1.0, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(made.pmts.t0, detector.pmts.t0)
    np.testing.assert_array_equal(made.pmts.status, detector.pmts.status)
    # what points outward still does, by as much
    of_pmt = np.repeat(np.arange(detector.n_modules), detector.modules.n_pmts)
    out, was = ((d.pmts.dir * (d.pmts.pos - d.modules.pos[of_pmt])).sum(axis=1) for d in (made, detector))
    np.testing.assert_allclose(out, was, rtol=0, atol=1e-9)


def test_modules_without_compass_stay_as_they_are(detector: Detector, measured: Orientations) -> None:
    made = Dynamics(detector, measured, missing="static").at(TIME)
    of_pmt = np.repeat(detector.modules.dom_id, detector.modules.n_pmts)
    left = ~np.isin(of_pmt, measured.modules)
    assert left.sum() == 31 * 54
    np.testing.assert_array_equal(made.pmts.pos[left], detector.pmts.pos[left])
    np.testing.assert_array_equal(made.pmts.dir[left], detector.pmts.dir[left])
    with pytest.raises(CalibrationError, match=r"54 modules have no orientation: .*missing='static'"):
        Dynamics(detector, measured).at(TIME)


def test_orientations_of_the_description_itself_change_nothing(detector: Detector) -> None:
    drawn, _ = assembly.turned(detector.modules, detector.pmts)
    optical = np.flatnonzero(detector.modules.n_pmts)
    order = optical[np.argsort(detector.modules.dom_id[optical])]
    q = qn.product(qn.conjugate(detector.modules.quaternion[order]), drawn[order])
    ids = np.repeat(detector.modules.dom_id[order], 2)
    same = Orientations(ids, np.tile([TIME - 1, TIME + 1], len(order)), np.repeat(q, 2, axis=0))
    made = Dynamics(detector, same).at(TIME)
    np.testing.assert_allclose(made.pmts.pos, detector.pmts.pos, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.pmts.dir, detector.pmts.dir, rtol=0, atol=1e-12)


def test_the_quaternion_of_the_description_comes_on_top(data: Path) -> None:
    det = Detector.open(data / "detx/detx_v5.detx")
    times = Orientations.open(data / "calib/KM3NeT_00000049_0.0.0_00007631_00007676_1.orientations.root")
    time = 1.583980e9
    made = Dynamics(det, times).at(time)
    modules, q = times.at(time)
    drawn, _ = assembly.turned(det.modules, det.pmts)
    for dom_id, orientation in zip(modules[::9], q[::9], strict=True):
        (i,) = np.flatnonzero(det.modules.dom_id == dom_id)
        rows = slice(det.modules.first_row[i], det.modules.first_row[i] + 31)
        static = det.modules.quaternion[i] / np.linalg.norm(det.modules.quaternion[i])
        delta = qn.product(qn.product(static, orientation), qn.conjugate(drawn[i]))
        arms = qn.rotate(delta, det.pmts.pos[rows] - det.modules.pos[i])
        np.testing.assert_allclose(made.pmts.pos[rows], det.modules.pos[i] + arms, rtol=0, atol=1e-9)
        np.testing.assert_allclose(made.pmts.dir[rows], qn.rotate(delta, det.pmts.dir[rows]), atol=1e-12)
    # modules hang upright: a wrong sign or order anywhere would show here
    down = qn.rotate(made.modules.quaternion, np.array([0.0, 0.0, -1.0]))[det.modules.floor > 0]
    assert np.degrees(np.arccos(-down[:, 2])).max() < 12.0


def test_a_description_without_quaternions(data: Path) -> None:
    det = Detector.open(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    times = Orientations.open(data / "calib/KM3NeT_00000049_0.0.0_00007631_00007676_1.orientations.root")
    made = Dynamics(det, times).at(1.583980e9)
    assert made.version == 5
    _, q = times.at(1.583980e9)
    order = np.argsort(det.modules.dom_id)
    np.testing.assert_allclose(made.modules.quaternion[order], q, rtol=0, atol=1e-12)


def test_no_current_moves_a_straight_string_nowhere(detector: Detector) -> None:
    # strings as straight as they are drawn: modules right above their base
    m = detector.modules
    pos = m.pos.copy()
    for du in np.unique(m.du):
        (base,) = np.flatnonzero((m.du == du) & (m.floor == 0))
        pos[m.du == du, :2] = pos[base, :2]
    straight = detector.replace(modules=replace(m, pos=pos))
    made = Dynamics(straight, shapes=still(detector)).at(TIME)
    np.testing.assert_allclose(made.modules.pos, pos, rtol=0, atol=1e-9)
    np.testing.assert_allclose(made.pmts.pos, detector.pmts.pos, rtol=0, atol=1e-9)


def test_a_current_moves_modules_as_the_model_says(detector: Detector) -> None:
    made = Dynamics(detector, shapes=still(detector, tx=0.02, ty=-0.01, vs=1e-4)).at(TIME)
    m = detector.modules
    for i in np.flatnonzero(m.floor > 0)[::37]:
        (base,) = np.flatnonzero((m.du == m.du[i]) & (m.floor == 0))
        piezo = m.pos[i] - [0, 0, 0.2] - m.pos[base]
        shape = np.array([[0.02, -0.01, 0, 0, 1e-4]])
        moved = displacement(
            np.array([np.linalg.norm(piezo)]), shape, np.array([0.00094]), np.array([294.291])
        )[0]
        expected = m.pos[base] + moved + [piezo[0], piezo[1], 0.2]
        np.testing.assert_allclose(made.modules.pos[i], expected, rtol=0, atol=1e-9)
        rows = slice(m.first_row[i], m.first_row[i] + m.n_pmts[i])
        np.testing.assert_allclose(
            made.pmts.pos[rows] - made.modules.pos[i], detector.pmts.pos[rows] - m.pos[i], rtol=0, atol=1e-9
        )
    np.testing.assert_array_equal(made.modules.pos[m.floor == 0], m.pos[m.floor == 0])
    np.testing.assert_array_equal(made.pmts.dir, detector.pmts.dir)
    shift = made.modules.pos - m.pos
    for du in np.unique(m.du):
        rows = np.flatnonzero((m.du == du) & (m.floor > 0))
        rows = rows[np.argsort(m.floor[rows])]
        assert (np.diff(shift[rows, 0]) > 0).all()  # the higher, the further with the current


def test_both_at_once_are_one_after_the_other(detector: Detector, measured: Orientations) -> None:
    shapes = still(detector, tx=0.02)
    both = Dynamics(detector, measured, shapes, missing="static").at(TIME)
    bent = Dynamics(detector, shapes=shapes).at(TIME)
    then = Dynamics(bent, measured, missing="static").at(TIME)
    np.testing.assert_allclose(both.pmts.pos, then.pmts.pos, rtol=0, atol=1e-9)
    np.testing.assert_allclose(both.pmts.dir, then.pmts.dir, rtol=0, atol=1e-12)


def test_times_outside(detector: Detector, measured: Orientations) -> None:
    late = float(measured.t.max()) + 3600.0
    with pytest.raises(CalibrationError, match="lies outside the orientations"):
        Dynamics(detector, measured, missing="static").at(late)
    nearest = Dynamics(detector, measured, missing="static", outside="nearest").at(late)
    assert np.abs(nearest.pmts.dir - detector.pmts.dir).max() > 0.1
    static = Dynamics(detector, measured, still(detector, tx=0.1), missing="static", outside="static").at(
        late
    )
    np.testing.assert_array_equal(static.pmts.pos, detector.pmts.pos)
    np.testing.assert_array_equal(static.pmts.dir, detector.pmts.dir)


def test_files_of_different_detectors(data: Path, detector: Detector) -> None:
    with pytest.raises(GeometryError, match="fits are of detector 148, the description of 133"):
        Dynamics(detector, shapes=StringShapes.open(data / "acoustics/mechanical_model.root"))


def test_a_string_without_base_module(detector: Detector, data: Path) -> None:
    det = Detector.open(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    shapes = replace(still(det, tx=0.1), det_id=49)
    with pytest.raises(GeometryError, match=r"string 1 has 0 base modules.*version 4"):
        Dynamics(det, shapes=shapes).at(TIME)
    made = Dynamics(det, shapes=shapes, missing="static").at(TIME)
    np.testing.assert_array_equal(made.pmts.pos, det.pmts.pos)
    # strings that no fit is for
    few = StringShapes(*(c[:2] for c in (shapes.du, shapes.t, *[getattr(shapes, n) for n in
                         ("tx", "ty", "tx2", "ty2", "vs")])), shapes.mechanics, 133)  # fmt: skip
    with pytest.raises(CalibrationError, match=r"\d+ modules are on strings without a fit"):
        Dynamics(detector, shapes=few).at(TIME)


def test_options_and_identity(detector: Detector, measured: Orientations) -> None:
    with pytest.raises(ConfigError, match="outside='sometimes'"):
        Dynamics(detector, outside="sometimes")
    with pytest.raises(ConfigError, match="missing='maybe'"):
        Dynamics(detector, missing="maybe")
    dynamics = Dynamics(detector, measured, missing="static")
    made = dynamics.at(TIME)
    assert made.digest == pickle.loads(pickle.dumps(dynamics)).at(TIME).digest
    assert made.digest != dynamics.at(TIME + 1).digest
    assert made.comments[-1] == "km3gpu: geometry at unix time 1693408100.0 s"
    assert Dynamics(detector).at(TIME).digest != made.digest
