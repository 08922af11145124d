from __future__ import annotations

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import CalibrationError, ConfigError
from km3gpu.stages import Coincidences, coincidences


def by_hand(dom, channel, t, window=25.0, min_hits=2):
    """Jpp's rule, one event, as slowly and plainly as it can be said."""
    groups = []
    for module in sorted(set(dom.tolist())):
        rows = sorted(np.flatnonzero(dom == module).tolist(), key=lambda i: (t[i], i))
        while rows:
            group = [i for i in rows if t[i] - t[rows[0]] <= window]
            rows = rows[len(group) :]
            if len(group) >= min_hits:
                groups.append(group)
    return groups


@pytest.fixture(scope="module")
def clustered(daq, daq_detector):
    return k3.coincidences(k3.calibrate(daq, daq_detector))


def test_every_cluster_of_real_events_is_the_one_found_by_hand(clustered):
    hits, clusters = clustered.hits, clustered.clusters
    dom, channel, t, tot = (hits.flat(c) for c in ("dom_id", "channel_id", "t", "tot"))
    for event in range(0, 250, 10):
        a, b = hits.offsets[event], hits.offsets[event + 1]
        c, d = clusters.offsets[event], clusters.offsets[event + 1]
        wanted = by_hand(dom[a:b], channel[a:b], t[a:b])
        found = {
            (int(clusters.flat("dom_id")[k]), float(clusters.flat("t_first")[k])): k for k in range(c, d)
        }
        assert len(found) == d - c == len(wanted)
        cluster_id = hits.flat("cluster_id")[a:b]
        for group in wanted:
            g = np.array(group)
            k = found[int(dom[a:b][g[0]]), float(t[a:b][g].min())]
            assert clusters.flat("n_hits")[k] == len(g)
            assert clusters.flat("n_pmts")[k] == len(set(channel[a:b][g].tolist()))
            assert clusters.flat("t_last")[k] == t[a:b][g].max()
            assert clusters.flat("tot_sum")[k] == tot[a:b][g].astype(float).sum()
            assert clusters.flat("pos_z")[k] == hits.flat("pos_z")[a:b][g[0]]
            assert (cluster_id[g] == k - c).all()
        in_group = np.isin(np.arange(b - a), [i for g in wanted for i in g])
        assert (cluster_id[~in_group] == -1).all()


def test_a_tighter_second_window_only_drops_clusters(clustered, daq, daq_detector):
    calibrated = k3.calibrate(daq, daq_detector)
    l2 = k3.coincidences(calibrated, l2_window=10.0)
    l2_axes = k3.coincidences(calibrated, l2_window=10.0, min_cos=0.0)
    assert 0 < len(l2_axes.clusters) < len(l2.clusters) < len(clustered.clusters)


def test_uncalibrated_hits_are_refused(daq):
    with pytest.raises(CalibrationError, match="calibrate them first"):
        k3.coincidences(daq)


def test_the_offline_file_needs_no_calibration(offline):
    assert len(k3.coincidences(offline).clusters) > 1000


def test_the_supernova_stream_is_made_of_its_coincidences(data):
    detector = k3.Detector.open(data / "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx")
    stream = k3.open(data / "online/km3net_online.root", tree="KM3NET_TIMESLICE_SN").read()
    calibrated = k3.calibrate(stream, detector, slewing="none")
    made = coincidences(calibrated, level="SN", parameters="orca4")
    # four hits within 10 ns after the first, and all of their L1 with them
    assert (made.hits.flat("cluster_id") >= 0).sum() == len(stream.hits) == 329
    assert made.clusters.flat("n_hits").min() == 4
    tighter = coincidences(calibrated, min_hits=4, l2_window=5.0, min_cos=0.0)
    assert len(tighter.clusters) < len(made.clusters) == 77
    levels = {v: coincidences(calibrated, level=v, parameters="orca4") for v in ("L1", "L2")}
    assert [len(levels[v].clusters) for v in ("L1", "L2")] == [77, 77]


def test_levels_are_the_rules_of_the_parameters(daq, daq_detector):
    calibrated = k3.calibrate(daq, daq_detector, slewing="none")
    own = coincidences(calibrated, level="L2")  # detector 133 has its own set
    by_hand = coincidences(calibrated, l2_window=10.0)
    np.testing.assert_array_equal(own.hits.flat("cluster_id"), by_hand.hits.flat("cluster_id"))
    orca = coincidences(calibrated, level="L2", parameters="orca4")
    assert len(orca.clusters) < len(own.clusters)


def test_multiplicity_of_each_hit_by_hand(daq, daq_detector):
    made = coincidences(k3.calibrate(daq, daq_detector), multiplicity=20.0, min_pmts=2)
    hits = made.hits
    dom, channel, t = (hits.flat(c) for c in ("dom_id", "channel_id", "t"))
    for event in (3, 100):
        a, b = hits.offsets[event], hits.offsets[event + 1]
        for i in range(a, b, 7):
            later = np.arange(a, b)
            later = later[(dom[a:b] == dom[i]) & (t[a:b] <= t[i] + 20.0)]
            later = later[(t[later] > t[i]) | ((t[later] == t[i]) & (later >= i))]
            assert hits.flat("multiplicity")[i] == len(later)
            assert hits.flat("pmt_multiplicity")[i] == len(set(channel[later].tolist()))
    assert made.clusters.flat("n_pmts").min() == 2


def test_chains_join_what_windows_part(clustered, daq, daq_detector):
    chains = coincidences(k3.calibrate(daq, daq_detector), chain=True)
    assert len(chains.clusters) < len(clustered.clusters)
    assert (chains.hits.flat("cluster_id") >= 0).sum() > (clustered.hits.flat("cluster_id") >= 0).sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"level": "L3"}, "level = 'L3'; take 'L1'"),
        ({"level": "L2", "min_hits": 3}, "level L2 sets window"),
        ({"parameters": "orca4"}, "parameters are for a level"),
        ({"level": "L1", "parameters": "orca9"}, "no set of trigger parameters 'orca9'"),
        ({"min_pmts": 0}, "min_pmts must be 1 or more"),
        ({"chain": True, "l2_window": 10.0}, "chains have no L2"),
        ({"multiplicity": -1.0}, "multiplicity must be 0 ns or more"),
    ],
)
def test_rules_that_cannot_be(options, words):
    with pytest.raises(ConfigError, match=words):
        Coincidences(**options)
