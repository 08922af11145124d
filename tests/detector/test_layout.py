"""Strings, floors, neighbours and sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Detector, layout
from km3gpu.errors import GeometryError


@pytest.fixture(scope="module")
def arca(data: Path) -> Detector:
    return Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")


def grid(nx: int, ny: int, nz: int, step: tuple[float, float, float] = (20.0, 30.0, 9.0)) -> Detector:
    """Make a detector of strings on a grid, with one PMT a module and no base modules."""
    lines = []
    for s in range(nx * ny):
        for f in range(nz):
            x, y, z = (s % nx) * step[0], (s // nx) * step[1], f * step[2]
            n = s * nz + f
            lines.append(f"{n + 1} {s + 1} {f + 1} {x} {y} {z} 1 0 0 0 0 0 1")
            lines.append(f"{n + 1} {x} {y} {z} 0 0 -1 0 0")
    head = f"9 v5\n0 1\nUTM WGS84 32N 100 200 -300\n{nx * ny * nz}\n"
    return Detector.from_bytes((head + "\n".join(lines)).encode())


def test_strings_and_floors(arca: Detector) -> None:
    assert len(arca.dus) == 21
    assert arca.floors.tolist() == list(range(19))
    assert int(arca.optical.sum()) == 378
    i = arca.row_at(9, 1)
    assert arca.modules.dom_id[i] == 808992603
    assert arca.row_of(808992603) == i
    assert arca.modules.n_pmts[arca.row_at(9, 0)] == 0


def test_modules_that_are_not_there(arca: Detector) -> None:
    with pytest.raises(GeometryError, match=r"no module 17 \(in .*datx\)"):
        arca.row_of(17)
    with pytest.raises(GeometryError, match=r"no string 99 .*there are 5, 9, 10"):
        arca.row_at(99, 1)
    with pytest.raises(GeometryError, match=r"no module on floor 19 of string 9.*0, 1, 2"):
        arca.row_at(9, 19)


def test_floor_distance_as_km3io_jl_asserts_it(data: Path) -> None:
    det = Detector.open(data / "detx/km3net_offline.detx")
    assert det.floor_distance == pytest.approx(9.61317647058823, abs=1e-13)
    assert np.isnan(grid(2, 1, 1).floor_distance)


def test_centre_is_the_mean_of_optical_modules(arca: Detector) -> None:
    optical = [p for p, n in zip(arca.modules.pos, arca.modules.n_pmts, strict=True) if n]
    np.testing.assert_allclose(arca.centre, np.mean(optical, axis=0), rtol=0, atol=1e-9)
    assert np.isnan(Detector.from_bytes(b"1 0").centre).all()


def test_a_grid_has_the_volume_of_its_box() -> None:
    det = grid(4, 3, 5)
    assert layout.footprint(det) == pytest.approx(60.0 * 60.0)
    assert layout.height(det) == 36.0
    assert det.volume == pytest.approx(60.0 * 60.0 * 36.0)
    assert grid(4, 1, 5).volume == 0.0  # strings in a row enclose nothing
    assert grid(1, 1, 5).volume == 0.0


def test_the_volume_of_orca_115_is_the_published_one(data: Path) -> None:
    # 5.7 Mton instrumented with 20 m between strings (KM3NeT Letter of Intent, 2016)
    det = Detector.open(data / "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx")
    assert det.volume == pytest.approx(5.65e6, rel=0.01)


def test_neighbours_of_a_grid() -> None:
    det = grid(3, 3, 3)
    offsets, rows = det.neighbours(20.0)
    middle = det.row_at(5, 2)
    mine = rows[offsets[middle] : offsets[middle + 1]]
    # 9 m up and down, 20 m along x; 30 m along y is too far
    expected = [det.row_at(4, 2), det.row_at(5, 1), det.row_at(5, 3), det.row_at(6, 2)]
    assert mine.tolist() == sorted(expected)
    pos = det.modules.pos
    distance = np.linalg.norm(pos[:, None] - pos, axis=-1)
    assert len(rows) == ((distance <= 20.0) & (distance > 0)).sum() == offsets[-1]


def test_table_of_strings(arca: Detector) -> None:
    table = arca.du_table()
    assert len(table) == 21
    assert table.flat("n_floors").tolist() == [18] * 21
    assert table.flat("n_pmts").tolist() == [558] * 21
    i = arca.dus.tolist().index(9)
    assert table.flat("base")[i] == arca.modules.dom_id[arca.row_at(9, 0)]
    mine = (arca.modules.du == 9) & arca.optical
    assert table.flat("x")[i] == pytest.approx(arca.modules.pos[mine, 0].mean())
    assert table.flat("z_max")[i] == arca.modules.pos[mine, 2].max()
    assert grid(2, 1, 3).du_table().flat("base").tolist() == [-1, -1]
    assert len(Detector.from_bytes(b"1 0").du_table()) == 0
