from __future__ import annotations

import awkward as ak
import numpy as np

import km3gpu as k3


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
