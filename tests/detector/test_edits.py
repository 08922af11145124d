"""Detectors joined, cut, moved and turned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Detector, Utm
from km3gpu.errors import GeometryError


@pytest.fixture(scope="module")
def arca(data: Path) -> Detector:
    return Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")


@pytest.fixture(scope="module")
def orca(data: Path) -> Detector:
    return Detector.open(data / "detx/detx_v5.detx")


def pmts_of(det: Detector, dom_id: int) -> np.ndarray:
    i = det.row_of(dom_id)
    return det.pmts.pos[det.modules.first_row[i] :][: det.modules.n_pmts[i]]


def test_cut_keeps_modules_with_their_pmts(arca: Detector) -> None:
    part = arca.cut(dus=[9, 12], floors=range(1, 4))
    assert part.n_modules == 6
    assert part.n_pmts == 6 * 31
    assert part.dus.tolist() == [9, 12]
    assert part.floors.tolist() == [1, 2, 3]
    for dom_id in part.modules.dom_id:
        np.testing.assert_array_equal(pmts_of(part, dom_id), pmts_of(arca, dom_id))
    assert part.comments[-1] == "km3gpu: cut to strings 9, 12 and floors 1, 2, 3, 6 of 399 modules"
    assert part.utm == arca.utm


def test_cut_by_id_and_by_mask(arca: Detector) -> None:
    part = arca.cut(dom_ids=arca.modules.dom_id[[200, 3]])
    assert part.modules.dom_id.tolist() == arca.modules.dom_id[[3, 200]].tolist()
    bases = arca.cut(where=~arca.optical)
    assert (bases.n_modules, bases.n_pmts) == (21, 0)


def test_what_cannot_be_cut(arca: Detector) -> None:
    with pytest.raises(GeometryError, match="no strings 98, 99"):
        arca.cut(dus=[9, 99, 98])
    with pytest.raises(GeometryError, match=r"no module of .* would be left"):
        arca.cut(floors=[0], where=arca.optical)
    with pytest.raises(GeometryError, match="a mask of 3 for the 399 modules"):
        arca.cut(where=[True, False, True])


def test_parts_joined_are_the_whole(arca: Detector) -> None:
    some = arca.dus[:10]
    parts = arca.cut(dus=some).combine(arca.cut(dus=arca.dus[10:]))
    assert parts.n_modules == arca.n_modules
    assert parts.diff(arca).same()
    assert parts.comments[-1] == "km3gpu: detectors 133, 133 joined"


def test_joining_takes_the_reference_point_of_the_first(arca: Detector) -> None:
    a, b = arca.cut(dus=arca.dus[:3]), arca.cut(dus=arca.dus[3:6])
    utm = arca.utm
    assert utm is not None
    far = b.refer_to(replace(utm, easting=utm.easting - 1000.0, z=utm.z + 5.0))
    assert far.modules.pos[0].tolist() == (b.modules.pos[0] + [1000.0, 0.0, -5.0]).tolist()
    joined = a.combine(far, det_id=7)
    assert (joined.det_id, joined.utm) == (7, utm)
    np.testing.assert_allclose(joined.modules.pos[a.n_modules :], b.modules.pos, rtol=0, atol=1e-9)
    np.testing.assert_allclose(joined.pmts.pos[a.n_pmts :], b.pmts.pos, rtol=0, atol=1e-9)


def test_joining_versions_and_validities(data: Path, arca: Detector) -> None:
    old = Detector.open(data / "detx/detx_v3.detx").replace(utm=arca.utm)
    free = arca.cut(dus=[9]).replace(validity=(10.0, 1.55e9))
    joined = old.combine(free)
    assert joined.version == 5
    assert joined.validity == (1500000000.1, 1.55e9)
    assert joined.modules.quaternion is not None
    assert joined.modules.quaternion[0].tolist() == [1.0, 0.0, 0.0, 0.0]
    v2 = Detector.open(data / "detx/detx_v2.detx")
    other = v2.replace(modules=replace(v2.modules, dom_id=v2.modules.dom_id + 10, du=v2.modules.du + 10),
                       pmts=replace(v2.pmts, pmt_id=v2.pmts.pmt_id + 100))  # fmt: skip
    assert v2.combine(other).modules.quaternion is None


def test_what_cannot_be_joined(data: Path, arca: Detector, orca: Detector) -> None:
    with pytest.raises(GeometryError, match="21 times a module is in more than one detector"):
        arca.combine(arca.cut(floors=[0]))
    with pytest.raises(GeometryError, match=r"are not in one zone"):
        arca.combine(orca)
    v1 = Detector.open(data / "detx/detx_v1.detx")
    with pytest.raises(GeometryError, match=r"has a reference point, the other none.*replace\(utm="):
        arca.combine(v1)
    shifted = v1.replace(modules=replace(v1.modules, dom_id=v1.modules.dom_id + 10))
    with pytest.raises(GeometryError, match=r"6 times a string and floor .*\(first: 1, 1\)"):
        v1.combine(shifted)
    elsewhere = shifted.replace(modules=replace(shifted.modules, du=shifted.modules.du + 10))
    with pytest.raises(GeometryError, match=r"18 times a PMT .*\(first: 1\)"):
        v1.combine(elsewhere)


def test_moved_there_and_back(arca: Detector) -> None:
    there = arca.translate([1.5, -2.25, 100.0])
    offset = np.array([1.5, -2.25, 100.0])
    np.testing.assert_array_equal(there.modules.pos, arca.modules.pos + offset)
    np.testing.assert_array_equal(there.pmts.pos, arca.pmts.pos + offset)
    assert there.utm == arca.utm
    assert there.comments[-1] == "km3gpu: moved by 1.5, -2.25, 100.0 m"
    assert there.translate([-1.5, 2.25, -100.0]).diff(arca).same(length=1e-9)


def test_the_same_reference_point_changes_nothing(arca: Detector) -> None:
    assert arca.utm is not None
    assert arca.refer_to(arca.utm) is arca
    with pytest.raises(GeometryError, match="not in one zone"):
        arca.refer_to(Utm(0, 0, 0, "32N"))


def test_a_quarter_turn_of_the_detector(arca: Detector) -> None:
    made = arca.rotate(np.pi / 2)
    np.testing.assert_allclose(made.centre, arca.centre, rtol=0, atol=1e-9)
    arm, was = made.modules.pos - arca.centre, arca.modules.pos - arca.centre
    np.testing.assert_allclose(arm, np.column_stack((-was[:, 1], was[:, 0], was[:, 2])), rtol=0, atol=1e-9)
    d = arca.pmts.dir
    np.testing.assert_allclose(
        made.pmts.dir, np.column_stack((-d[:, 1], d[:, 0], d[:, 2])), rtol=0, atol=1e-14
    )
    assert made.rotate(-np.pi / 2).diff(arca).same(length=1e-9, angle=1e-7)


def test_modules_turned_about_themselves(orca: Detector) -> None:
    chosen = orca.modules.du == 3
    made = orca.rotate(0.5, about="module", where=chosen)
    np.testing.assert_allclose(made.modules.pos, orca.modules.pos, rtol=0, atol=1e-9)
    of_pmt = np.repeat(chosen, orca.modules.n_pmts)
    np.testing.assert_array_equal(made.pmts.pos[~of_pmt], orca.pmts.pos[~of_pmt])
    np.testing.assert_array_equal(made.pmts.dir[~of_pmt], orca.pmts.dir[~of_pmt])
    yaw = [np.arctan2(d.pmts.dir[of_pmt, 1], d.pmts.dir[of_pmt, 0]) for d in (made, orca)]
    level = np.hypot(*orca.pmts.dir[of_pmt, :2].T) > 0.3
    np.testing.assert_allclose(((yaw[0] - yaw[1]) % (2 * np.pi))[level], 0.5, rtol=0, atol=1e-9)
    assert made.modules.quaternion is not None
    assert orca.modules.quaternion is not None
    changed = np.abs(made.modules.quaternion - orca.modules.quaternion).max(axis=1) > 0.01
    np.testing.assert_array_equal(changed, chosen)


def test_turned_about_a_point(arca: Detector) -> None:
    made = arca.rotate(np.pi, about=(1.0, 2.0, 3.0), axis=(1.0, 0.0, 0.0))
    was = arca.modules.pos - [1.0, 2.0, 3.0]
    np.testing.assert_allclose(made.modules.pos - [1.0, 2.0, 3.0], was * [1.0, -1.0, -1.0], rtol=0, atol=1e-9)
    with pytest.raises(GeometryError, match="nothing to turn about: 'string'"):
        arca.rotate(1.0, about="string")
    with pytest.raises(GeometryError, match="a mask of 2"):
        arca.rotate(1.0, where=[True, False])


def test_edits_can_be_written(arca: Detector, tmp_path: Path) -> None:
    made = arca.cut(dus=[9, 10]).translate([1.0, 0.0, 0.0]).rotate(0.1)
    made.write(tmp_path / "x.detx")
    again = Detector.open(tmp_path / "x.detx")
    assert again.diff(made).same()
    assert again.comments == made.comments


def test_what_is_no_way_to_move(arca: Detector) -> None:
    for offset in ((1.0, 2.0), (1.0, 2.0, np.nan), "up", 3.0):
        with pytest.raises(GeometryError, match=r"offset is .*give three numbers: x, y, z"):
            arca.translate(offset)  # type: ignore[arg-type]
    for options in ({"axis": (0, 0, 0)}, {"axis": (0, 1)}, {"about": (1, 2)}, {"about": "here"}):
        with pytest.raises(GeometryError):
            arca.rotate(1.0, **options)  # type: ignore[arg-type]
    for angle in ("x", np.inf, None):
        with pytest.raises(GeometryError, match="give radians"):
            arca.rotate(angle)  # type: ignore[arg-type]
