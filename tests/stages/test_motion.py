"""Hits calibrated with the detector at the time of their event."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.detector import Detector, Dynamics, Orientations
from km3gpu.errors import CalibrationError, FormatError
from km3gpu.stages.calibrate import Calibrate

FILE = "calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root"
COLUMNS = ("t", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
BEGIN, UPDATE = 1693407900.0, 120.0


@pytest.fixture(scope="module")
def chunk(daq: k3.Chunk) -> k3.Chunk:
    """Events of detector 133, at times that the orientations cover, one every 9 s."""
    events = daq.events
    time_ns = np.int64(BEGIN * 1e9) + np.arange(len(events)) * np.int64(9e9)
    some = np.arange(0, len(events), 5)
    tables = {**daq.tables, "events": events.with_columns(time_ns=time_ns)}
    return k3.Chunk(daq.source, {n: t.take_events(some) for n, t in tables.items()})


def options(data: Path) -> dict[str, object]:
    return {
        "orientations": str(data / FILE), "update": UPDATE, "uncovered": "static", "outside": "nearest"
    }  # fmt: skip


def test_each_event_has_the_geometry_of_its_time(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    made = k3.calibrate(chunk, daq_detector, **options(data))
    dynamics = Dynamics(daq_detector, Orientations.open(data / FILE), missing="static", outside="nearest")
    seconds = chunk.events.flat("time_ns") / 1e9
    for name in ("hits", "triggered_hits"):
        offsets = chunk.tables[name].offsets
        for event in range(0, chunk.n_events, 7):
            time = (np.floor(seconds[event] / UPDATE) + 0.5) * UPDATE
            one = k3.Chunk(chunk.source, {name: chunk.tables[name].take_events(np.array([event]))})
            expected = k3.calibrate(one, dynamics.at(time)).tables[name]
            rows = slice(offsets[event], offsets[event + 1])
            for column in COLUMNS:
                np.testing.assert_array_equal(made.tables[name].flat(column)[rows], expected.flat(column))
    assert len(np.unique(np.floor(seconds / UPDATE))) > 15


def test_geometry_moves_and_time_does_not(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    moved, still = (
        k3.calibrate(chunk, daq_detector, **options(data)).hits,
        k3.calibrate(chunk, daq_detector).hits,
    )
    np.testing.assert_array_equal(moved.flat("t"), still.flat("t"))
    shift = np.linalg.norm([moved.flat(f"pos_{c}") - still.flat(f"pos_{c}") for c in "xyz"], axis=0)
    assert 0.05 < np.median(shift) < shift.max() < 0.42  # within the sphere of a module
    assert np.median(np.abs(moved.flat("dir_x") - still.flat("dir_x"))) > 0.05


def test_cutting_the_run_does_not_change_a_hit(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    whole = k3.calibrate(chunk, daq_detector, **options(data)).hits
    for part in (np.arange(0, 13), np.arange(13, chunk.n_events)):
        cut = k3.Chunk(chunk.source, {n: t.take_events(part) for n, t in chunk.tables.items()})
        made = k3.calibrate(cut, daq_detector, **options(data)).hits
        rows = slice(whole.offsets[part[0]], whole.offsets[part[-1] + 1])
        for column in COLUMNS:
            np.testing.assert_array_equal(made.flat(column), whole.flat(column)[rows])


def test_times_that_are_not_covered(
    daq: k3.Chunk, chunk: k3.Chunk, data: Path, daq_detector: Detector
) -> None:
    with pytest.raises(CalibrationError, match="outside the orientations of 324 of 324 modules"):
        k3.calibrate(daq, daq_detector, **{**options(data), "outside": "error"})
    with pytest.raises(CalibrationError, match="54 modules have no orientation"):
        k3.calibrate(chunk, daq_detector, **{**options(data), "uncovered": "error"})
    static = k3.calibrate(daq, daq_detector, **{**options(data), "outside": "static"}).hits
    still = k3.calibrate(daq, daq_detector).hits
    for column in COLUMNS:
        np.testing.assert_array_equal(static.flat(column), still.flat(column))


def test_events_without_times(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    bare = k3.Chunk(chunk.source, {"hits": chunk.hits})
    with pytest.raises(CalibrationError, match=r"needs the times of the events.*events/time_ns"):
        k3.calibrate(bare, daq_detector, **options(data))
    assert "time_ns" in Calibrate(detector=daq_detector, **options(data)).reads("daq")["events"]
    assert "time_ns" not in Calibrate(detector=daq_detector).reads("daq")["events"]


def test_simulated_hits_move_too(offline: k3.Chunk, offline_detector: Detector) -> None:
    n = offline.n_events
    times = np.where(np.arange(n) < n // 2, 1000, 5000) * np.int64(10**9)
    ids = np.repeat(offline_detector.modules.dom_id, 2)
    turn = np.array([np.cos(0.1), 0.0, 0.0, np.sin(0.1)])
    q = np.where(np.arange(len(ids))[:, None] % 2 == 0, [1.0, 0, 0, 0], turn)
    order = np.argsort(ids, kind="stable")
    yaw = Orientations(ids[order], np.tile([1000.0, 5000.0], len(ids) // 2)[order], q[order])
    chunk = k3.Chunk(
        offline.source,
        {"mc_hits": offline.mc_hits, "events": offline.events.with_columns(time_ns=times)},
    )
    made = Calibrate(
        detector=offline_detector, orientations=yaw, update=1.0, mc_hits=True, outside="nearest"
    )(chunk)
    early = np.repeat(np.arange(n) < n // 2, chunk.mc_hits.counts)
    d, was = ([t.flat(f"dir_{c}") for c in "xyz"] for t in (made.mc_hits, offline.mc_hits))
    np.testing.assert_allclose(np.array(d)[:, early], np.array(was)[:, early], rtol=0, atol=1e-3)
    turned = np.array(
        [np.cos(0.2) * was[0] - np.sin(0.2) * was[1], np.sin(0.2) * was[0] + np.cos(0.2) * was[1], was[2]]
    )
    np.testing.assert_allclose(np.array(d)[:, ~early], turned[:, ~early], rtol=0, atol=1e-3)


def test_the_measurements_are_part_of_the_identity(
    data: Path, tmp_path: Path, daq_detector: Detector
) -> None:
    plain = Calibrate(detector=daq_detector)
    moving = Calibrate(detector=daq_detector, **options(data))
    assert plain.fingerprint() != moving.fingerprint()
    shutil.copy(data / FILE, tmp_path / "same.root")
    elsewhere = Calibrate(
        detector=daq_detector, **{**options(data), "orientations": str(tmp_path / "same.root")}
    )
    assert elsewhere.fingerprint() == moving.fingerprint()
    by_name = Calibrate(detector=daq_detector, **{**options(data), "orientations": f"testdata:{FILE}"})
    assert by_name.fingerprint() == moving.fingerprint()
    assert str(data / FILE) in moving.inputs()
    opened = Orientations.open(data / FILE)
    by_object = Calibrate(detector=daq_detector, **{**options(data), "orientations": opened})
    assert opened.digest in by_object.fingerprint()
    assert Calibrate(detector=daq_detector, also=["du"]).fingerprint() != plain.fingerprint()


def test_what_was_done_is_told_by_digest(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    made = k3.calibrate(chunk, daq_detector, **options(data)).hits
    told = made.attrs["calibration"]
    assert told.startswith(f"{daq_detector.digest} slewing=table orientations=sha256:")
    assert str(data) not in told


def test_a_file_of_another_kind(chunk: k3.Chunk, data: Path, daq_detector: Detector) -> None:
    with pytest.raises(FormatError, match="no tree 'ORIENTATION'"):
        k3.calibrate(chunk, daq_detector, orientations=str(data / "online/km3net_online.root"))
