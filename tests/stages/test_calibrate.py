from __future__ import annotations

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import CalibrationError, GeometryError
from km3gpu.stages.calibrate import Calibrate
from km3gpu.table import Table

GEOMETRY = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")


def test_jpps_own_calibration_of_181484_hits_is_reproduced(offline, offline_detector):
    made = k3.calibrate(offline, offline_detector)
    stored, hits = offline.hits, made.hits
    assert len(hits) == 181_484
    for name in GEOMETRY:
        np.testing.assert_array_equal(hits.flat(name), stored.flat(name), err_msg=name)
    assert np.abs(hits.flat("t") - stored.flat("t")).max() <= 1e-6
    assert hits.flat("t").dtype == np.float64


def test_check_counts_the_differences(offline, offline_detector):
    made = Calibrate(detector=offline_detector, check=True)(offline)
    c = made.counters
    assert c["calibrate/hits_compared"] == 181_484
    assert c["calibrate/max_hits_pos_m"] == 0
    assert c["calibrate/max_hits_dir"] == 0
    assert c["calibrate/max_hits_t_ns"] <= 1e-6


def test_without_slewing_the_check_sees_it(offline, offline_detector):
    made = Calibrate(detector=offline_detector, slewing="none", check=True)(offline)
    assert made.counters["calibrate/max_hits_t_ns"] > 5


def test_both_lists_of_hits_of_a_daq_event_are_calibrated(daq, daq_detector):
    made = k3.calibrate(daq, daq_detector)
    assert len(made.hits) == 319_713
    assert len(made.triggered_hits) == 141_244
    for table in (made.hits, made.triggered_hits):
        assert np.isfinite(table.flat("t")).all()
        assert (
            np.abs(
                np.hypot(np.hypot(table.flat("dir_x"), table.flat("dir_y")), table.flat("dir_z")) - 1
            ).max()
            < 1e-5
        )


def test_the_online_value_that_the_julia_package_asserts(data):
    chunk = k3.open(data / "online/km3net_online.root").read(tree="KM3NET_EVENT")
    made = k3.calibrate(chunk, str(data / "detx/km3net_offline.detx"), slewing="none")
    assert made.hits.flat("t")[0] == pytest.approx(30941664.391, abs=1e-6)


def test_times_near_1e8_ns_keep_their_precision(daq, daq_detector):
    made = k3.calibrate(daq, daq_detector, slewing="none")
    hits = made.hits
    tdc = hits.flat("tdc").astype(np.int64)
    rest = hits.flat("t") - tdc  # t0, the same for all hits of one PMT
    pmt = hits.flat("dom_id").astype(np.int64) * 32 + hits.flat("channel_id")
    order = np.argsort(pmt, kind="stable")
    start = np.flatnonzero(np.r_[True, np.diff(pmt[order]) != 0])
    spread = np.maximum.reduceat(rest[order], start) - np.minimum.reduceat(rest[order], start)
    assert tdc.max() > 9e7
    assert spread.max() < 1e-6


def test_hits_are_not_calibrated_twice(daq, daq_detector):
    once = k3.calibrate(daq, daq_detector)
    with pytest.raises(CalibrationError, match="already calibrated"):
        k3.calibrate(once, daq_detector)
    again = k3.calibrate(once, daq_detector, force=True)
    np.testing.assert_array_equal(again.hits.flat("t"), once.hits.flat("t"))


def test_a_detector_that_does_not_belong_to_the_data(data, daq_detector):
    name = "online/KM3NeT_00000267_00025291_JDAQEvent_JDAQSummaryslice.root"
    chunk = k3.open(data / name).read(tree="KM3NET_EVENT")
    with pytest.raises(GeometryError) as caught:
        k3.calibrate(chunk, daq_detector)
    text = str(caught.value)
    assert "154 of" in text or "module" in text
    assert "267" in text
    assert "133" in text
    assert "\n" not in text


def test_a_channel_that_the_module_does_not_have(daq, daq_detector):
    channel = daq.hits.flat("channel_id").copy()
    channel[1000] = 31
    bad = daq.evolve("test", {"hits": daq.hits.with_columns(channel_id=channel)})
    with pytest.raises(GeometryError, match="channel 31"):
        k3.calibrate(bad, daq_detector)


def test_a_chunk_without_hits_says_so(daq, daq_detector):
    empty = k3.Chunk(daq.source, {"events": daq.events})
    with pytest.raises(CalibrationError, match="no hits"):
        k3.calibrate(empty, daq_detector)


def test_events_without_hits_are_fine(daq, daq_detector):
    hits = daq.hits
    none = Table("hits", {c: hits.flat(c)[:0] for c in hits.columns}, np.zeros(4, np.int64))
    made = k3.calibrate(k3.Chunk(daq.source, {"hits": none}), daq_detector)
    assert made.hits.n_events == 3
    assert len(made.hits.flat("t")) == 0


def test_float32_geometry_keeps_float64_time(daq, daq_detector):
    full, small = (k3.calibrate(daq, daq_detector, dtype=d).hits for d in ("float64", "float32"))
    np.testing.assert_array_equal(full.flat("t"), small.flat("t"))
    assert small.flat("pos_x").dtype == np.float32
    np.testing.assert_allclose(small.flat("pos_z"), full.flat("pos_z"), rtol=1e-6)
