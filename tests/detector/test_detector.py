"""Detector.open on every shipped file, against numbers known from elsewhere."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from km3gpu.chunk import file_digest
from km3gpu.detector import Detector, Utm
from km3gpu.errors import FormatError, GeometryError, InputNotFoundError
from km3gpu.kernels import calibrate as kernel

# file: det_id, version, modules, base modules, PMTs, comments; counted with grep and awk
SHIPPED = {
    "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx": (49, 3, 108, 0, 3348),
    "detx/KM3NeT_-00000001_20171212.detx": (20, 2, 2070, 0, 64170),
    "detx/KM3NeT_00000133_20221025.detx": (133, 5, 399, 21, 11718),
    "detx/detx_v1.detx": (1, 1, 6, 0, 18),
    "detx/detx_v2.detx": (23, 2, 6, 0, 18),
    "detx/detx_v3.detx": (23, 3, 6, 0, 18),
    "detx/detx_v3_whitespace.detx": (23, 3, 6, 0, 18),
    "detx/detx_v4.detx": (44, 4, 90, 0, 2790),
    "detx/detx_v5.detx": (49, 5, 114, 6, 3348),
    "detx/detx_v5_invalid_multiline_comments.detx": (49, 5, 114, 6, 3348),
    "detx/km3net_jul13_90m_r1494_corrected.detx": (-1, 1, 2070, 0, 64170),
    "detx/km3net_offline.detx": (44, 2, 90, 0, 2790),
    "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx": (-1, 2, 2070, 0, 64170),
    "detx/orca_115strings_av23min20mhorizontal_18OMs_alt9mvertical_v1.detx": (-1, 1, 2070, 0, 64170),
    "datx/KM3NeT_00000133_20221025.datx": (133, 5, 399, 21, 11718),
    "detector_geometry/KM3NeT_00000232.detector.datx": (232, 5, 569, 30, 16709),
}


def test_the_list_of_shipped_files_is_complete(data: Path) -> None:
    found = {p.relative_to(data).as_posix() for p in data.rglob("*.d[ea]tx")}
    assert found == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_file_reads(data: Path, name: str) -> None:
    det = Detector.open(data / name)
    base = int((det.modules.n_pmts == 0).sum())
    assert (det.det_id, det.version, det.n_modules, base, det.n_pmts) == SHIPPED[name]
    m, p = det.modules, det.pmts
    assert m.pos.shape == (det.n_modules, 3)
    assert p.pos.shape == p.dir.shape == (det.n_pmts, 3)
    np.testing.assert_array_equal(m.first_row, np.cumsum(m.n_pmts) - m.n_pmts)
    assert int(m.n_pmts.sum()) == det.n_pmts
    assert (m.floor >= 0).all()
    assert np.isfinite(m.pos).all()
    assert (det.validity is None) == (det.utm is None) == (det.version == 1)
    assert det.digest == file_digest(str(data / name))


def test_datx_and_detx_of_detector_133_agree(data: Path) -> None:
    a = Detector.open(data / "detx/KM3NeT_00000133_20221025.detx")
    b = Detector.open(data / "datx/KM3NeT_00000133_20221025.datx")
    assert (a.det_id, a.validity, a.utm, a.comments) == (b.det_id, b.validity, b.utm, b.comments)
    assert a.utm == Utm(587600.0, 4016800.0, -3450.0, "33N", "WGS84")
    for table in ("modules", "pmts"):
        for name, column in vars(getattr(a, table)).items():
            np.testing.assert_allclose(column, getattr(getattr(b, table), name), rtol=0, atol=1e-5)
    np.testing.assert_array_equal(a.pmts.pos, b.pmts.pos)
    np.testing.assert_array_equal(a.pmts.t0, b.pmts.t0)


def test_a_detector_survives_pickling_and_stays_read_only(data: Path) -> None:
    det = Detector.open(data / "detx/detx_v5.detx")
    twin = pickle.loads(pickle.dumps(det))
    assert repr(twin) == repr(det)
    assert twin.digest == det.digest
    np.testing.assert_array_equal(twin.pmts.pos, det.pmts.pos)
    for d in (det, twin):
        with pytest.raises(ValueError, match="read-only"):
            d.pmts.t0[0] = 1.0


def test_lookup_gives_the_calibrated_time_that_km3io_jl_asserts(data: Path) -> None:
    det = Detector.open(data / "detx/km3net_offline.detx")
    # first hit of online/km3net_online.root
    hit = (
        np.array([806451572], "i4"),
        np.array([10], "u1"),
        np.array([30733918], "u4"),
        np.array([26], "u1"),
    )
    made = kernel.hits(*hit, det.lookup)
    assert made["t"][0] == pytest.approx(3.0941664391e7, abs=1e-6)
    i = int(np.flatnonzero(det.modules.dom_id == 806451572)[0])
    row = int(det.modules.first_row[i]) + 10
    assert [made[f"pos_{c}"][0] for c in "xyz"] == det.pmts.pos[row].tolist()
    assert [made[f"dir_{c}"][0] for c in "xyz"] == det.pmts.dir[row].tolist()
    by_pmt = kernel.pmt_hits(det.pmts.pmt_id[[row]].copy(), det.lookup_by_pmt)
    assert [by_pmt[f"pos_{c}"][0] for c in "xyz"] == det.pmts.pos[row].tolist()


def test_a_path_of_the_testdata_package_is_found() -> None:
    assert Detector.open("testdata:detx/detx_v1.detx").det_id == 1


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match=r"nothing\.detx"):
        Detector.open(tmp_path / "nothing.detx")
    with pytest.raises(InputNotFoundError):
        Detector.open(tmp_path)


def test_another_kind_of_file(data: Path) -> None:
    with pytest.raises(FormatError, match=r"no detector file.*km3net_online\.root"):
        Detector.open(data / "online/km3net_online.root")


def test_misfit_counts_modules_and_hits(data: Path) -> None:
    det = Detector.open(data / "detx/detx_v3.detx")
    error = GeometryError("module 99 unknown", where="hit 3")
    told = det.misfit(error, np.array([1, 99, 2, 99, 98, 6]), det_id=44, where="hits of x.root")
    assert str(told) == (
        "2 of 5 modules of the data (3 of 6 hits) are not in "
        f"{data / 'detx/detx_v3.detx'}: 98, 99 (in hits of x.root); take the detector file that belongs "
        "to the data (this one is detector 23, the data are of detector 44)"
    )
    np.testing.assert_array_equal(det.missing_modules(np.array([7, 1, 7, 0])), [0, 7])


def test_misfit_of_known_modules_keeps_the_kernels_words(data: Path) -> None:
    det = Detector.open(data / "detx/detx_v3.detx")
    error = GeometryError("channel 31 of module 1", where="hit 0", remedy="check the data")
    assert (
        str(det.misfit(error, np.array([1]), where="hits"))
        == "channel 31 of module 1 (in hits); check the data"
    )
