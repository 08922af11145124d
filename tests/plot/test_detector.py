"""Pictures of detectors show the numbers of the detector."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from km3gpu import plot
from km3gpu.detector import Detector
from km3gpu.errors import GeometryError


@pytest.fixture(scope="module")
def orca(data):
    return Detector.open(data / "detx/detx_v5.detx")


def texts(figure: Figure) -> str:
    """Everything that is written in a figure."""
    words = [t.get_text() for t in figure.texts]
    for axes in figure.axes:
        words += [t.get_text() for t in axes.texts] + [axes.get_xlabel(), axes.get_ylabel()]
        words += [axes.get_title(loc) for loc in ("left", "right")]
    return "\n".join(words)


def panel(figure: Figure, title: str):
    (axes,) = (a for a in figure.axes if a.get_title("left").startswith(title))
    return axes


def points(axes, k: int = 0) -> np.ndarray:
    return np.asarray(axes.collections[k].get_offsets())


def with_t0(detector: Detector, row: int, by: float) -> Detector:
    t0 = detector.pmts.t0.copy()
    t0[row] += by
    return detector.replace(pmts=dataclasses.replace(detector.pmts, t0=t0))


def test_the_map_shows_strings_modules_and_axes(orca):
    figure = plot.detector_map(orca)
    above, side, look = (panel(figure, t) for t in ("strings", "modules", "where"))
    strings = orca.du_table()
    assert np.array_equal(points(above), np.column_stack([strings.flat("x"), strings.flat("y")]))
    assert [t.get_text() for t in above.texts] == [str(du) for du in orca.dus]
    good, marked, base = (points(side, k) for k in range(3))
    off = np.add.reduceat(orca.pmts.status != 0, orca.modules.first_row[orca.optical])
    assert (len(good), len(marked), len(base)) == (108 - (off > 0).sum(), (off > 0).sum(), 6)
    assert sorted(base[:, 1]) == sorted(orca.modules.pos[~orca.optical, 2])
    assert [t.get_text() for t in side.get_xticklabels()] == ["1", "2", "3", "9", "10", "11"]
    up = int((orca.pmts.dir[:, 2] > 0).sum())
    assert {t.get_text() for t in look.texts} == {f"{up:,} look up", f"{3348 - up:,} look down"}
    assert sum(bar.get_width() for bar in look.patches) == 3348
    said = texts(figure)
    for words in ("detector 49", "5 with a status", "x (Easting) [m]", "z [m]", "[°]", "123,607 m³"):
        assert words in said


@pytest.mark.parametrize(
    "name", ["detx_v1.detx", "orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"]
)
def test_maps_of_small_and_large_detectors_can_be_saved(data, name):
    file = io.BytesIO()
    plot.detector_map(Detector.open(data / "detx" / name)).savefig(file, format="png", dpi=40)
    assert file.getvalue().startswith(b"\x89PNG")


def test_a_ring_is_a_module_with_a_status(orca):
    status = orca.modules.status.copy()
    status[7] = 2
    side = panel(
        plot.detector_map(orca.replace(modules=dataclasses.replace(orca.modules, status=status))), "modules"
    )
    assert points(side, 3).tolist() == [
        [np.searchsorted(orca.dus, orca.modules.du[7]), orca.modules.pos[7, 2]]
    ]


def test_a_detector_of_bases_only_and_one_of_nothing(orca):
    bases = orca.cut(floors=[0])
    assert not bases.n_pmts
    plot.detector_map(bases).savefig(io.BytesIO(), format="png", dpi=40)
    with pytest.raises(GeometryError, match="no modules"):
        plot.detector_map(Detector.from_bytes(b"1 0\n"))


def test_differences_are_drawn_pmt_by_pmt_and_module_by_module(data, orca):
    other = Detector.open(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    figure = plot.t0_differences(orca, other)
    dt0 = orca.diff(other).pmts.flat("dt0")
    by_pmt = panel(figure, "PMTs")
    assert sorted(points(by_pmt, 1)[:, 1]) == sorted(dt0)  # after the lines between strings
    # a module found by hand
    row = other.row_at(9, 4)
    rows = other.modules.first_row[row] + np.arange(31)
    first = orca.modules.first_row[orca.row_at(9, 4)]
    expected = np.median(other.pmts.t0[rows] - orca.pmts.t0[first : first + 31]) - np.median(dt0)
    squares = panel(figure, "modules").collections[0].get_array().reshape(18, 6)
    assert squares[3, 3] == pytest.approx(expected)
    # the PMTs of string 1 stand left of those of string 2
    x = points(by_pmt, 1)[:, 0]
    assert x.min() > -0.5
    assert ((x > -0.5) & (x < 0.5)).sum() == 18 * 31
    said = texts(figure)
    for words in ("3,348", "1.161 ns", "−3.137 ns", "4.516 ns", "string", "floor", "[ns]"):
        assert words in said


def test_what_lies_far_off_is_a_triangle_and_a_number(data, orca):
    rng = np.random.default_rng(3)
    noise = dataclasses.replace(orca.pmts, t0=orca.pmts.t0 + rng.normal(0, 0.1, orca.n_pmts))
    figure = plot.t0_differences(orca, with_t0(orca.replace(pmts=noise), 40, 500.0))
    low, high = panel(figure, "PMTs").get_ylim()
    assert -2 < low < high < 2
    assert "1 above" in texts(figure)
    assert [len(points(panel(figure, "PMTs"), k)) for k in (1, 2, 3)] == [3347, 0, 1]


def test_one_pmt_among_equals_is_in_the_picture(orca):
    figure = plot.t0_differences(orca, with_t0(orca, 99, -2.5))
    low, high = panel(figure, "PMTs").get_ylim()
    assert low < -2.5 < 0 < high
    assert "above" not in texts(figure)


def test_no_difference_at_all(orca):
    figure = plot.t0_differences(orca, orca)
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert not panel(figure, "modules").collections[0].get_array().any()


def test_modules_in_common_but_no_pmts(data, orca):
    with pytest.raises(GeometryError, match="no PMT in common"):
        plot.t0_differences(orca, Detector.open(data / "detx/detx_v1.detx"))
    with pytest.raises(GeometryError, match="no PMT in common"):
        plot.t0_differences(orca, orca.cut(floors=[0]))
