"""Detector descriptions and the text files beside them, through the same `open` as data."""

from __future__ import annotations

import numpy as np
import pytest

import km3gpu
from km3gpu.detector import Detector, Hydrophones, PmtFile, Transmitters, Tripods, Waveforms
from km3gpu.errors import FormatError
from km3gpu.io.detectorfiles import is_detector, text_kind

DETX = "detx/KM3NeT_00000133_20221025.detx"
DATX = "datx/KM3NeT_00000133_20221025.datx"
TEXTS = {
    "hydrophone": ("detector_geometry/KM3NeT_00000232.hydrophone.txt", Hydrophones),
    "transmitter": ("detector_geometry/KM3NeT_00000232.transmitter.txt", Transmitters),
    "tripod": ("detector_geometry/KM3NeT_00000232.tripod.txt", Tripods),
    "waveform": ("detector_geometry/KM3NeT_00000232.waveform.txt", Waveforms),
    "pmt_file": ("calib/PMTeff.txt", PmtFile),
}


@pytest.mark.parametrize("name", [DETX, DATX, "detx/detx_v1.detx"])
def test_modules_and_pmts(data, name):
    source, detector = km3gpu.open(data / name), Detector.open(data / name)
    assert (source.kind, source.detector_id) == ("detector", detector.det_id)
    chunk = source.read(backend="cpu")
    assert np.array_equal(chunk.events.flat("dom_id"), detector.modules.dom_id)
    assert np.array_equal(chunk.events.flat("pos_z"), detector.modules.pos[:, 2])
    pmts = chunk.tables["pmts"]
    assert np.array_equal(pmts.counts, detector.modules.n_pmts)
    assert np.array_equal(pmts.flat("t0"), detector.pmts.t0)
    assert np.array_equal(pmts.flat("dir_x"), detector.pmts.dir[:, 0])
    for k in (0, len(chunk.events) - 1):
        of_one = pmts.to_awkward()[k]
        assert of_one.channel_id.to_list() == list(range(detector.modules.n_pmts[k]))
    part = source.read("pmts", entries=(1, 3), backend="cpu").tables["pmts"]
    assert part.to_awkward().t0.to_list() == pmts.to_awkward().t0[1:3].to_list()


@pytest.mark.parametrize("kind", TEXTS)
def test_text_files(data, kind):
    name, reader = TEXTS[kind]
    source, rows = km3gpu.open(data / name), reader.open(data / name)
    assert source.kind == kind
    events = source.read(backend="cpu").events
    for column in source.tables["events"]:
        stem, _, axis = column.partition("_")
        wanted = rows.pos[:, "xyz".index(axis)] if stem == "pos" else getattr(rows, column)
        assert np.array_equal(events.flat(column), wanted), column


def test_what_is_none(data):
    for path in sorted(data.rglob("*")):
        if path.is_file():
            head = path.read_bytes()[: 1 << 20]
            assert is_detector(head, "x") <= (path.suffix in (".detx", ".datx")), path
            assert is_detector(head, str(path)) == (path.suffix in (".detx", ".datx")), path
            named = path.suffix == ".txt" and path.parent.name in ("detector_geometry", "calib", "pmt")
            assert (text_kind(head, str(path)) is not None) == named, path


def test_damaged_ones_are_told(tmp_path):
    (tmp_path / "x.detx").write_text("this is no detector")
    with pytest.raises(FormatError, match=r"x\.detx"):
        km3gpu.open(tmp_path / "x.detx")
    (tmp_path / "a.tripod.txt").write_text("1 2 3 4\n1 2 3\n")
    with pytest.raises(FormatError, match="'id x y z' should be"):
        km3gpu.open(tmp_path / "a.tripod.txt")


def test_they_are_converted(data, tmp_path):
    from km3gpu.cli.main import call

    assert call(["convert", str(data / DATX), str(tmp_path / "x.parquet")]) == 0
    again = km3gpu.open(tmp_path / "x.parquet").read(backend="cpu").tables["pmts"]
    assert np.array_equal(again.flat("t0"), Detector.open(data / DATX).pmts.t0)
