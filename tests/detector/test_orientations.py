"""Orientations: golden values of KM3io.jl's tests, and times without measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from km3gpu.detector import Orientations
from km3gpu.errors import (
    CalibrationError,
    ConfigError,
    FormatError,
    InputNotFoundError,
    Km3GpuError,
    NotRootError,
    TruncatedFileError,
)

ARCA = "calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root"
ORCA = "calib/KM3NeT_00000049_0.0.0_00007631_00007676_1.orientations.root"
MODULE = 817589211


@pytest.fixture(scope="module")
def arca(data: Path) -> Orientations:
    return Orientations.open(data / ARCA)


@pytest.mark.parametrize(("name", "rows", "modules"), [(ARCA, 1146, 324), (ORCA, 104946, 108)])
def test_shipped_files(data: Path, name: str, rows: int, modules: int) -> None:
    found = Orientations.open(data / name)
    assert (len(found), len(found.modules)) == (rows, modules)
    np.testing.assert_allclose(np.linalg.norm(found.quaternion, axis=1), 1.0, rtol=0, atol=4e-16)
    same = np.diff(found.dom_id) == 0
    assert (np.diff(found.t)[same] > 0).all()


def test_golden_values(arca: Orientations) -> None:
    mine = arca.dom_id == MODULE
    t, q = arca.t[mine], arca.quaternion[mine]
    assert len(t) == 5
    assert t[0] == pytest.approx(1693407821.152, abs=1e-3)
    expected = (0.8260205110995139, 0.003912907129683348, -0.004395551387888641, -0.5636093359133512)
    np.testing.assert_array_equal(q[0], expected)
    for fraction, expected in (
        (1 / 2, (0.8297266567631056, 0.002991865243189534, -0.004798371006076004, -0.5581412898494195)),
        (1 / 3, (0.8305219131347711, 0.003947997911424212, -0.0042572917986734805, -0.5569556899628482)),
    ):
        modules, made = arca.at(t[0] + fraction * (t[-1] - t[0]), outside="nearest")
        np.testing.assert_allclose(made[modules == MODULE][0], expected, rtol=0, atol=1e-9)


def test_at_the_time_of_a_measurement_it_is_the_measurement(arca: Orientations) -> None:
    mine = arca.dom_id == MODULE
    for t, q in zip(arca.t[mine], arca.quaternion[mine], strict=True):
        modules, made = arca.at(t, outside="nearest")
        np.testing.assert_allclose(made[modules == MODULE][0], q, rtol=0, atol=1e-12)


def test_every_module_lies_between_its_neighbours(arca: Orientations) -> None:
    time = 0.5 * (1693407874.2 + 1693408350.0)  # all 324 modules have measurements on both sides
    for method, slack in (("slerp", 1e-9), ("jpp", 0.2)):
        modules, made = arca.at(time, method=method)
        assert np.isfinite(made).all()
        for module, q in zip(modules, made, strict=True):
            mine = arca.dom_id == module
            after = int(np.searchsorted(arca.t[mine], time))
            a, b = arca.quaternion[mine][after - 1 : after + 1]
            apart = np.arccos(min(1.0, abs(a @ b)))
            assert np.arccos(min(1.0, abs(a @ q))) <= apart + slack
            assert np.arccos(min(1.0, abs(b @ q))) <= apart + slack


def test_times_outside(arca: Orientations) -> None:
    early, late = arca.t.min() - 10.0, arca.t.max() + 10.0
    with pytest.raises(CalibrationError, match=r"outside the orientations of 324 of 324 modules.*nearest"):
        arca.at(late)
    first = np.searchsorted(arca.dom_id, arca.modules)
    for method in ("slerp", "jpp"):
        made = arca.at(early, outside="nearest", method=method)[1]
        np.testing.assert_allclose(made, arca.quaternion[first], rtol=0, atol=1e-15)
        last = np.append(first[1:], len(arca)) - 1
        made = arca.at(late, outside="nearest", method=method)[1]
        np.testing.assert_allclose(made, arca.quaternion[last], rtol=0, atol=1e-15)
        assert np.isnan(arca.at(late, outside="nan", method=method)[1]).all()


def test_signs_of_quaternions_do_not_matter(arca: Orientations) -> None:
    flip = np.where(np.arange(len(arca)) % 3 == 0, -1.0, 1.0)[:, None]
    other = Orientations(arca.dom_id, arca.t, flip * arca.quaternion)
    for method in ("slerp", "jpp"):
        a = arca.at(1693408100.0, method=method)[1]
        b = other.at(1693408100.0, method=method)[1]
        np.testing.assert_allclose(np.abs((a * b).sum(axis=1)), 1.0, rtol=0, atol=1e-12)


def test_without_modules() -> None:
    none = Orientations(np.zeros(0, int), np.zeros(0), np.zeros((0, 4)))
    assert [len(x) for x in none.at(0.0)] == [0, 0]


def test_a_file_with_seconds_and_nanoseconds_apart(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "o.root") as f:
        f["ORIENTATION"] = {
            "id": np.array([7, 7], "i4"),
            "t": np.array([20.0, 10.0]),
            "ns": np.array([500_000_000, 0], "u8"),
            **{c: np.array([v, v]) for c, v in zip("abcd", (1.0, 0, 0, 0), strict=True)},
        }
    found = Orientations.open(tmp_path / "o.root")
    assert found.t.tolist() == [10.0, 20.5]


def test_wrong_files_and_options(data: Path, tmp_path: Path, arca: Orientations) -> None:
    with pytest.raises(InputNotFoundError, match="no file"):
        Orientations.open(tmp_path / "x.root")
    with pytest.raises(NotRootError, match=r"detx_v1\.detx' is no ROOT file; give a file of orientations"):
        Orientations.open(data / "detx/detx_v1.detx")
    with pytest.raises(FormatError, match=r"no tree 'ORIENTATION' \(there is: .*ACOUSTICS_FIT"):
        Orientations.open(data / "acoustics/mechanical_model.root")
    with pytest.raises(ConfigError, match="no interpolation 'cubic'"):
        arca.at(0.0, method="cubic")
    with pytest.raises(ConfigError, match="no way 'guess'"):
        arca.at(0.0, outside="guess")
    with pytest.raises(FormatError, match="not sorted"):
        Orientations([2, 1], [0.0, 0.0], [[1.0, 0, 0, 0]] * 2)


def test_truncated_files_give_an_error_of_ours(data: Path, tmp_path: Path) -> None:
    blob = (data / ARCA).read_bytes()
    path = tmp_path / "t.root"
    for size in np.linspace(4, len(blob) - 1, 12).astype(int):
        path.write_bytes(blob[:size])
        with pytest.raises(TruncatedFileError, match=r"t\.root"):
            Orientations.open(path)


def test_flipped_bits_give_orientations_or_an_error_of_ours(data: Path, tmp_path: Path) -> None:
    blob = (data / ARCA).read_bytes()
    path = tmp_path / "t.root"
    read = 0
    for at in np.random.default_rng(0).integers(0, len(blob), 40):
        broken = bytearray(blob)
        broken[at] ^= 1 << (at % 8)
        path.write_bytes(broken)
        try:
            read += len(Orientations.open(path).modules) > 0
        except Km3GpuError as error:
            if "t.root" not in str(error):
                raise
    assert read > 0
