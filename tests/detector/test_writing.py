"""Detectors written and read back."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.detector import Detector, Modules, Pmts, Utm, writing
from km3gpu.errors import ConfigError, DiskFullError, FormatError

SAMPLES = (
    "detx/detx_v1.detx",
    "detx/detx_v3.detx",
    "detx/detx_v4.detx",
    "detx/detx_v5_invalid_multiline_comments.detx",
    "detector_geometry/KM3NeT_00000232.detector.datx",
)


def assert_same(a: Detector, b: Detector) -> None:
    assert (a.det_id, a.version, a.comments, a.validity, a.utm) == (
        b.det_id, b.version, b.comments, b.validity, b.utm)  # fmt: skip
    assert_same_arrays(a, b)


def assert_same_arrays(a: Detector, b: Detector, *skip: str) -> None:
    for table in ("modules", "pmts"):
        for name, column in vars(getattr(a, table)).items():
            if f"{table}.{name}" not in skip:
                np.testing.assert_array_equal(column, getattr(getattr(b, table), name), err_msg=name)


@pytest.mark.parametrize("name", SAMPLES)
def test_detx_of_the_same_version_reads_back_the_same(data: Path, tmp_path: Path, name: str) -> None:
    det = Detector.open(data / name)
    det.write(tmp_path / "x.detx")
    again = Detector.open(tmp_path / "x.detx")
    assert_same(det, again)
    assert again.path == str(tmp_path / "x.detx")


@pytest.mark.parametrize(
    "name", ["datx/KM3NeT_00000133_20221025.datx", "detector_geometry/KM3NeT_00000232.detector.datx"]
)
def test_datx_is_written_to_the_byte(data: Path, tmp_path: Path, name: str) -> None:
    det = Detector.open(data / name)
    det.write(tmp_path / "x.datx")
    assert (tmp_path / "x.datx").read_bytes() == (data / name).read_bytes()
    assert Detector.open(tmp_path / "x.datx").digest == det.digest


def test_datx_of_a_detx_with_comments_of_many_lines(data: Path, tmp_path: Path) -> None:
    det = Detector.open(data / "detx/detx_v5_invalid_multiline_comments.detx")
    det.write(tmp_path / "x.datx")
    assert_same(det, Detector.open(tmp_path / "x.datx"))


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", ["detx/detx_v2.detx", "detx/detx_v3.detx", "detx/detx_v5.detx"])
def test_every_version_from_every_version(data: Path, tmp_path: Path, name: str, version: int) -> None:
    det = Detector.open(data / name)
    det.write(tmp_path / "x.detx", version=version)
    again = Detector.open(tmp_path / "x.detx")
    assert again.version == version
    full = np.flatnonzero(det.modules.n_pmts) if version < 4 else np.arange(det.n_modules)
    np.testing.assert_array_equal(again.modules.dom_id, det.modules.dom_id[full])
    np.testing.assert_array_equal(again.modules.floor, det.modules.floor[full])
    for column in ("pmt_id", "pos", "dir", "t0"):
        np.testing.assert_array_equal(getattr(again.pmts, column), getattr(det.pmts, column))
    held = det.pmts.status if version > 2 else np.zeros(det.n_pmts)
    np.testing.assert_array_equal(again.pmts.status, held)
    assert again.comments == (det.comments if version > 2 else ())
    assert (again.utm, again.validity) == ((det.utm, det.validity) if version > 1 else (None, None))
    # module positions from rounded PMTs are good to 0.3 mm here
    np.testing.assert_allclose(again.modules.pos, det.modules.pos[full], rtol=0, atol=2e-3)
    if version > 3:
        assert again.modules.quaternion is not None
        held = np.tile([1.0, 0, 0, 0], (len(full), 1)) if det.version < 4 else det.modules.quaternion
        np.testing.assert_array_equal(again.modules.quaternion, held)


def test_version_1_has_no_reference_point_to_write(data: Path, tmp_path: Path) -> None:
    det = Detector.open(data / "detx/detx_v1.detx")
    for name, version in (("x.detx", 5), ("x.datx", None)):
        with pytest.raises(FormatError, match=r"no reference point.*replace\(utm="):
            det.write(tmp_path / name, version=version)
    assert list(tmp_path.iterdir()) == []
    placed = det.replace(utm=Utm(256500.0, 4743000.0, -2440.0))
    placed.write(tmp_path / "x.detx", version=5)
    again = Detector.open(tmp_path / "x.detx")
    assert again.utm == placed.utm
    assert again.validity == (0.0, 999999999999.9)
    assert_same_arrays(again, placed, "modules.quaternion")


def test_names_and_versions_that_do_not_exist(data: Path, tmp_path: Path) -> None:
    det = Detector.open(data / "detx/detx_v3.detx")
    with pytest.raises(ConfigError, match=r"no detector format for files '\.txt'"):
        det.write(tmp_path / "x.txt")
    with pytest.raises(ConfigError, match="DETX has no version 6"):
        det.write(tmp_path / "x.detx", version=6)
    with pytest.raises(ConfigError, match="DATX has no version 4"):
        det.write(tmp_path / "x.datx", version=4)


def test_a_full_disk_leaves_the_earlier_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    det = Detector.open(data / "detx/detx_v3.detx")
    (tmp_path / "x.detx").write_text("earlier")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="no space left for"):
        det.write(tmp_path / "x.detx")
    assert [p.name for p in tmp_path.iterdir()] == ["x.detx"]
    assert (tmp_path / "x.detx").read_text() == "earlier"


def test_replace_keeps_the_rest_and_names_itself_by_content(data: Path) -> None:
    det = Detector.open(data / "detx/detx_v3.detx")
    moved = det.replace(pmts=replace(det.pmts, t0=det.pmts.t0 + 1.0))
    assert moved.path == ""
    assert moved.digest.startswith("content:sha256:")
    assert moved.digest != det.replace().digest
    assert moved.digest == det.replace(pmts=replace(det.pmts, t0=det.pmts.t0 + 1.0)).digest
    assert det.replace(comments=("other",)).digest == det.replace().digest
    np.testing.assert_array_equal(moved.pmts.pos, det.pmts.pos)
    with pytest.raises(FormatError, match="rows of the modules"):
        det.replace(modules=replace(det.modules, n_pmts=det.modules.n_pmts + 1))
    with pytest.raises(AttributeError, match="no attribute 'pmt'"):
        det.replace(pmt=det.pmts)


i4 = st.integers(-(2**31), 2**31 - 1)
f8 = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=0, max_size=5),
    st.lists(f8, min_size=8, max_size=8),
    i4,
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"))), max_size=3),
)
def test_any_numbers_survive_both_formats(
    counts: list[int], numbers: list[float], det_id: int, comments: list[str]
) -> None:
    n, m = len(counts), sum(counts)
    rng = np.random.default_rng(len(counts))

    def column(k: int) -> np.ndarray:
        return np.roll(np.resize(numbers, k), 3)

    modules = Modules(
        dom_id=rng.permutation(1000)[:n],
        du=np.arange(n),
        floor=np.arange(n),
        pos=column(3 * n).reshape(n, 3),
        quaternion=column(4 * n).reshape(n, 4),
        t0=column(n),
        status=np.arange(n),
        first_row=np.cumsum(counts, dtype=int) - counts,
        n_pmts=counts,
    )
    pmts = Pmts(
        np.arange(m), column(3 * m).reshape(m, 3), column(3 * m).reshape(m, 3), column(m), np.arange(m)
    )
    utm = Utm(*numbers[:3], zone="33N", ellipsoid="WGS84")
    det = Detector(det_id, 5, tuple(comments), (numbers[0], numbers[1]), utm, modules, pmts)
    binary = Detector.from_bytes(writing.render_datx(det))
    assert_same(det, binary)
    text = Detector.from_bytes(writing.render_detx(det))
    assert_same_arrays(det, text)
    assert (text.det_id, text.validity, text.utm) == (det.det_id, det.validity, det.utm)
