from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import ConfigError
from km3gpu.kernels.reference import moments as reference


def test_daq_events_are_summed_up(daq, daq_detector):
    chunk = k3.summarise(k3.coincidences(k3.calibrate(daq, daq_detector)))
    events, hits = chunk.events, chunk.hits
    assert events.flat("n_hits").tolist() == ak.num(hits.t).tolist()
    assert events.flat("n_triggered").sum() == 141_244
    assert events.flat("n_clusters").tolist() == ak.num(chunk.clusters.t_first).tolist()
    assert events.flat("n_doms").tolist() == [len(set(d)) for d in ak.to_list(hits.dom_id)]
    np.testing.assert_array_equal(events.flat("tot_sum"), ak.to_numpy(ak.sum(hits.tot, axis=1)))
    np.testing.assert_array_equal(events.flat("t_first"), ak.to_numpy(ak.min(hits.t, axis=1)))
    np.testing.assert_array_equal(events.flat("t_last"), ak.to_numpy(ak.max(hits.t, axis=1)))
    assert chunk.counters["summarise/n_hits"] == 319_713


def test_offline_triggered_hits_are_those_with_trigger_bits(offline):
    chunk = k3.summarise(offline)
    assert chunk.events.flat("n_triggered").tolist() == ak.sum(offline.hits.trig != 0, axis=1).tolist()
    assert "n_clusters" not in chunk.events


def test_events_without_hits(daq, daq_detector):
    whole = k3.calibrate(daq, daq_detector)
    hits = whole.hits.filter(np.repeat(np.arange(250) % 2 == 0, whole.hits.counts))
    chunk = k3.summarise(whole.evolve("test", {"hits": hits}))
    odd = slice(1, None, 2)
    assert (chunk.events.flat("n_hits")[odd] == 0).all()
    assert (chunk.events.flat("n_doms")[odd] == 0).all()
    assert (chunk.events.flat("tot_sum")[odd] == 0).all()
    assert np.isnan(chunk.events.flat("t_first")[odd]).all()
    assert np.isfinite(chunk.events.flat("t_last")[::2]).all()


def test_a_file_without_events(data):
    chunk = k3.summarise(k3.open(data / "offline/empty_events.root").read(["events", "hits"]))
    assert len(chunk.events) == 0
    assert "n_doms" in chunk.events


SHAPE = ("centre_x", "centre_y", "centre_z", "inertia_1", "inertia_2", "inertia_3", "extent")


def test_coincidences_and_shape_of_real_events(daq, daq_detector):
    calibrated = k3.calibrate(daq, daq_detector)
    events = k3.summarise(calibrated).events
    for name, window in (("n_l1", None), ("n_l2", 10.0)):
        want = k3.coincidences(calibrated, l2_window=window).clusters.counts
        assert events.flat(name).tolist() == want.tolist()
    assert (events.flat("n_l2") <= events.flat("n_l1")).all()
    for kind, table in (("all", "hits"), ("triggered", "triggered_hits")):
        events = k3.summarise(calibrated, shape=kind).events
        hits = calibrated.tables[table]
        places = np.stack([hits.flat(f"pos_{c}") for c in "xyz"], axis=1)
        centre, inertia, extent = reference.shape(hits.offsets, places, hits.flat("tot").astype(float))
        want = np.column_stack((centre, inertia, extent))
        got = np.column_stack([events.flat(c) for c in SHAPE])
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-7)
    # a muon's hits lie along a line: the smallest is far below the others
    assert np.median(events.flat("inertia_1") / events.flat("inertia_3")) < 0.5


def test_offline_hits_have_their_own_time_and_place(offline):
    events = k3.summarise(offline, shape="triggered").events
    hits = offline.hits
    places = np.stack([hits.flat(f"pos_{c}") for c in "xyz"], axis=1)
    weights = np.where(hits.flat("trig") != 0, hits.flat("tot"), 0).astype(float)
    centre, _, extent = reference.shape(hits.offsets, places, weights)
    np.testing.assert_allclose(events.flat("centre_z"), centre[:, 2], rtol=0, atol=1e-7)
    np.testing.assert_allclose(events.flat("extent"), extent, rtol=0, atol=1e-7)


def test_few_hits_and_nan(daq, daq_detector):
    whole = k3.calibrate(daq, daq_detector)
    number = np.arange(len(whole.hits)) - np.repeat(whole.hits.offsets[:-1], whole.hits.counts)
    one = whole.hits.filter(number == 0)
    events = k3.summarise(whole.evolve("test", {"hits": one})).events
    assert events.flat("extent").max() < 1e-12
    assert events.flat("inertia_3").max() < 1e-12
    assert (events.flat("n_l1") == 0).all()
    np.testing.assert_allclose(events.flat("centre_x"), one.flat("pos_x"), rtol=1e-15)
    lost = one.with_columns(pos_y=np.full(len(one), np.nan))
    events = k3.summarise(whole.evolve("test", {"hits": lost})).events
    assert all(np.isnan(events.flat(c)).all() for c in SHAPE)


def test_uncalibrated_hits_have_no_shape(daq):
    events = k3.summarise(daq).events
    assert "n_hits" in events
    assert not {*SHAPE, "n_l1", "t_first"} & set(events.columns)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shape": "stored"}, "take 'all' or 'triggered'"),
        ({"l2_window": 30.0}, "no longer than the first"),
        ({"l1_window": float("nan")}, "l1_window = nan"),
    ],
)
def test_options_that_make_no_sense(options, words):
    with pytest.raises(ConfigError, match=words):
        k3.stages.make("summarise", **options)
