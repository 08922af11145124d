"""Two detectors side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from km3gpu.detector import Detector


@pytest.fixture(scope="module")
def orca(data: Path) -> Detector:
    return Detector.open(data / "detx/detx_v5.detx")


def test_a_detector_does_not_differ_from_itself(orca: Detector) -> None:
    found = orca.diff(orca)
    assert found.same()
    assert (len(found.modules), len(found.pmts)) == (114, 3348)
    s = found.summary()
    assert (s.pop("modules_in_both"), s.pop("pmts_in_both")) == (114, 3348)
    assert set(s.values()) == {0.0}


def test_detx_and_datx_of_detector_133(data: Path) -> None:
    a = Detector.open(data / "detx/KM3NeT_00000133_20221025.detx")
    b = Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")
    # the text holds axes rounded to six digits, which are no unit vectors any more
    found = a.diff(b)
    assert found.summary()["largest_difference_of_axis_lengths"] == pytest.approx(4e-6, rel=0.2)
    assert found.summary()["largest_angle_rad"] < 1e-15
    assert not found.same(angle=1e-6)
    assert found.same(angle=1e-5)


def test_the_order_of_modules_does_not_matter(orca: Detector) -> None:
    backwards = orca.cut(dus=orca.dus[3:]).combine(orca.cut(dus=orca.dus[:3]))
    assert orca.diff(backwards).same()


def test_each_change_is_found(orca: Detector) -> None:
    m, p = orca.modules, orca.pmts

    def changed(column: np.ndarray, row: int, by: float) -> np.ndarray:
        new = column.copy()
        new[row] += by
        return new

    def summary(**changes: object) -> dict[str, float]:
        found = orca.diff(orca.replace(**changes))
        assert not found.same(length=0.01, angle=0.01, time=0.01)
        return found.summary()

    assert summary(modules=replace(m, floor=changed(m.floor, 5, 1)))["modules_at_another_place"] == 1
    assert summary(modules=replace(m, status=changed(m.status, 5, 1)))["modules_with_another_status"] == 1
    assert summary(modules=replace(m, t0=changed(m.t0, 5, -3)))["largest_t0_difference_of_a_module_ns"] == 3
    s = summary(modules=replace(m, pos=changed(m.pos, 5, 2)))
    assert s["largest_shift_of_a_module_m"] == pytest.approx(12**0.5)
    s = summary(pmts=replace(p, t0=changed(p.t0, 99, -2.5)))
    assert s["largest_t0_difference_ns"] == pytest.approx(2.5)
    assert summary(pmts=replace(p, status=changed(p.status, 99, 4)))["pmts_with_another_status"] == 1
    assert summary(pmts=replace(p, pmt_id=changed(p.pmt_id, 99, 10**6)))["pmts_with_another_identifier"] == 1
    s = summary(pmts=replace(p, pos=changed(p.pos, 99, 0.1)))
    assert s["largest_shift_of_a_pmt_m"] == pytest.approx(0.03**0.5)
    s = summary(pmts=replace(p, dir=np.roll(p.dir, 1, axis=1)))
    assert s["largest_angle_rad"] > 0.5
    assert orca.diff(orca.replace(det_id=50)).header == {"det_id": (49, 50)}
    assert not orca.diff(orca.replace(det_id=50)).same()


def test_t0_differences_by_channel(data: Path, orca: Detector) -> None:
    other = Detector.open(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    found = orca.diff(other)
    assert found.only_a.tolist() == sorted(orca.modules.dom_id[orca.modules.n_pmts == 0].tolist())
    assert len(found.only_b) == 0
    t = found.pmts
    for k in (0, 1000, 3347):
        dom_id, channel = int(t.flat("dom_id")[k]), int(t.flat("channel_id")[k])
        a, b = (d.pmts.t0[d.modules.first_row[d.row_of(dom_id)] + channel] for d in (orca, other))
        assert (t.flat("t0_a")[k], t.flat("t0_b")[k], t.flat("dt0")[k]) == (a, b, b - a)
        assert t.flat("du")[k] == orca.modules.du[orca.row_of(dom_id)]
    assert np.abs(t.flat("dt0")).max() < 5.0


def test_modules_with_other_numbers_of_pmts_share_their_first_channels(orca: Detector) -> None:
    m, p = orca.modules, orca.pmts
    last = int(np.flatnonzero(m.n_pmts)[-1])
    n = m.n_pmts.copy()
    n[last] -= 4
    rows = np.arange(orca.n_pmts - 4)
    fewer = orca.replace(
        modules=replace(m, n_pmts=n, first_row=np.cumsum(n) - n),
        pmts=replace(p, **{k: v[rows] for k, v in vars(p).items()}),
    )
    assert m.first_row[last] + m.n_pmts[last] == orca.n_pmts
    for found in (orca.diff(fewer), fewer.diff(orca)):
        assert len(found.pmts) == orca.n_pmts - 4
        s = found.summary()
        assert s["modules_with_another_number_of_pmts"] == 1
        assert s["largest_t0_difference_ns"] == 0.0


def test_detectors_with_nothing_in_common(data: Path, orca: Detector) -> None:
    found = orca.diff(Detector.open(data / "detx/detx_v1.detx"))
    assert (len(found.modules), len(found.pmts)) == (0, 0)
    assert found.summary()["modules_only_b"] == 6
    assert not found.same()
