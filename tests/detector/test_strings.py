"""Shapes of strings: the shipped fits, and the mechanical model by its own differential form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Mechanics, StringShapes
from km3gpu.detector.strings import arc_length, displacement
from km3gpu.errors import CalibrationError, ConfigError, FormatError, Km3GpuError, TruncatedFileError

FILE = "acoustics/mechanical_model.root"
A, B = 0.00094, 294.291  # KM3NeT's defaults for ARCA strings


@pytest.fixture(scope="module")
def shapes(data: Path) -> StringShapes:
    return StringShapes.open(data / FILE)


def test_shipped_fits(shapes: StringShapes) -> None:
    # 14 fits of 14 strings each, every ten minutes on 17 May 2023
    assert len(shapes) == 14 * 14
    assert shapes.det_id == 148
    assert np.unique(shapes.du).tolist() == [2, 3, 4, 9, 10, 11, 12, 17, 18, 19, 20, 21, 29, 31]
    first = shapes.t == shapes.t.min()
    assert first.sum() == 14
    ten = first & (shapes.du == 10)
    assert shapes.tx[ten][0] == pytest.approx(0.00444427, abs=1e-8)
    assert shapes.ty[ten][0] == pytest.approx(-0.00267734, abs=1e-8)
    assert shapes.tx2[ten][0] == pytest.approx(-5.84836003e-06, abs=1e-14)
    assert shapes.vs[ten][0] == pytest.approx(6.01391327e-06, abs=1e-14)
    for du in np.unique(shapes.du):
        assert (np.diff(shapes.t[shapes.du == du]) > 500).all()


def test_constants_of_the_mechanical_model_come_with_the_fits(shapes: StringShapes) -> None:
    assert shapes.mechanics.of(9) == (0.00087, 267.054)
    assert shapes.mechanics.of(31) == (0.00311, 85.966)


def test_constants_can_be_given(data: Path) -> None:
    own = Mechanics([-1], [A], [B])
    assert StringShapes.open(data / FILE, mechanics=own).mechanics.of(9) == (A, B)


def test_at_a_fit_and_between(shapes: StringShapes) -> None:
    ten = shapes.du == 10
    t, tx = shapes.t[ten], shapes.tx[ten]
    strings, made = shapes.at(t[3], method="linear", outside="nearest")
    assert made[strings == 10][0, 0] == tx[3]
    strings, made = shapes.at(0.5 * (t[3] + t[4]), method="linear", outside="nearest")
    assert made[strings == 10][0, 0] == pytest.approx(0.5 * (tx[3] + tx[4]), abs=1e-12)
    _, smooth = shapes.at(0.5 * (t[3] + t[4]), outside="nearest")
    assert np.abs(smooth - made)[:, :2].max() < 1e-3


def test_times_outside(shapes: StringShapes) -> None:
    late = shapes.t.max() + 1000.0
    with pytest.raises(CalibrationError, match=r"outside the fits of string 2 .*nearest.*|outside the fits"):
        shapes.at(late)
    strings, made = shapes.at(late, outside="nearest")
    last = (shapes.du == 10) & (shapes.t == shapes.t[shapes.du == 10].max())
    assert made[strings == 10][0, 0] == shapes.tx[last][0]
    assert np.isnan(shapes.at(late, outside="nan")[1]).all()
    with pytest.raises(ConfigError, match="no interpolation"):
        shapes.at(late, method="spline")
    with pytest.raises(ConfigError, match="no way"):
        shapes.at(late, outside="whatever")


def test_a_file_without_fits(data: Path) -> None:
    with pytest.raises(FormatError, match="no tree 'ACOUSTICS_FIT'"):
        StringShapes.open(data / "calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root")


def test_damaged_files_give_shapes_or_an_error_of_ours(data: Path, tmp_path: Path) -> None:
    blob = (data / FILE).read_bytes()
    path = tmp_path / "s.root"
    read = 0
    for at in np.random.default_rng(1).integers(0, len(blob), 40):
        broken = bytearray(blob)
        broken[at] ^= 1 << (at % 8)
        path.write_bytes(broken)
        try:
            read += len(StringShapes.open(path)) > 0
        except Km3GpuError as error:
            if "s.root" not in str(error):
                raise
    assert read > 0
    path.write_bytes(blob[: len(blob) // 2])
    with pytest.raises(TruncatedFileError, match=r"s\.root"):
        StringShapes.open(path)


def test_arc_length_is_the_integral_of_the_slope() -> None:
    tx, ty, top = 0.05, -0.03, 650.0
    z = np.linspace(0.0, top, 200_001)
    lean = 1.0 - A * B / (1.0 - A * z)  # d/dz of z + b ln(1 - a z)
    element = np.sqrt(1.0 + (tx**2 + ty**2) * lean**2)
    integral = np.trapezoid(element, z)
    slope2 = tx**2 + ty**2
    # the formula leaves out terms of the fourth order in the slopes
    assert arc_length(np.array(top), np.array(slope2), A, B) == pytest.approx(integral, abs=top * slope2**2)
    assert abs(integral - top) > 20 * top * slope2**2


def test_no_current_moves_nothing() -> None:
    length = np.linspace(1.0, 700.0, 9)
    made = displacement(length, np.zeros((9, 5)), np.full(9, A), np.full(9, B))
    np.testing.assert_allclose(made, np.column_stack((0 * length, 0 * length, length)), rtol=0, atol=1e-9)


def test_the_string_keeps_its_length_and_leans_with_the_current() -> None:
    length = np.linspace(1.0, 700.0, 50)
    shape = np.tile([0.05, -0.03, 0.0, 0.0, 0.0], (50, 1))
    made = displacement(length, shape, np.full(50, A), np.full(50, B))
    np.testing.assert_allclose(made[:, 1] / made[:, 0], -0.6, rtol=1e-12)
    assert (np.diff(made[:, 2]) > 0).all()
    assert (made[:, 2] < length).all()
    np.testing.assert_allclose(arc_length(made[:, 2], 0.05**2 + 0.03**2, A, B), length, rtol=0, atol=1e-8)
    shape[:, 4] = 1e-3
    stretched = displacement(length, shape, np.full(50, A), np.full(50, B))
    np.testing.assert_allclose(
        arc_length(stretched[:, 2], 0.05**2 + 0.03**2, A, B), 1.001 * length, rtol=0, atol=1e-8
    )


def test_displacement_by_the_formula() -> None:
    h = 300.0 * (1 + 2e-4)
    effective = h + B * np.log(1 - A * h)
    made = displacement(
        np.array([300.0]), np.array([[0.01, 0.02, 3e-6, -4e-6, 2e-4]]), np.array([A]), np.array([B])
    )
    assert made[0, 0] == pytest.approx(0.01 * effective + 3e-6 * h**2, abs=1e-12)
    assert made[0, 1] == pytest.approx(0.02 * effective - 4e-6 * h**2, abs=1e-12)
