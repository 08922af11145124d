from __future__ import annotations

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import CalibrationError


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
