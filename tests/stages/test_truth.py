"""Labels of simulated events, and the shares of light in the hits that Jpp and L2 select.

The numbers are those of a study with other code: shares of signal hits kept,
and of selected hits that are signal.  It looked at no more than the first 50
simulated hits of a PMT, which misses signal in bright events; its labels are
made again here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import CalibrationError, ConfigError, FormatError
from km3gpu.stages import Truth, coincidences, flag, pmts, score_truth, truth
from km3gpu.stages.score_truth import truth_ratios

SIMULATION = "offline/muon_cc_events.root"
NUE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
ELEC = "offline/mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.909.evtsample.root"
MUON = "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root"
NUE_DETX = "detx/KM3NeT_-00000001_20171212.detx"
ELEC_DETX = "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx"
MUON_DETX = "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"


def shares(selected: np.ndarray, signal: np.ndarray) -> tuple[float, float]:
    both = (selected & signal).sum()
    return both / signal.sum(), both / selected.sum()


def l2_of_any_pair(chunk: k3.Chunk, min_cos: float) -> np.ndarray:
    """Mark hits of L1 in which any two hits (not the first and another) are within 10 ns."""
    made = coincidences(chunk)
    hits = made.hits
    cluster = hits.flat("cluster_id")
    event = np.repeat(np.arange(hits.n_events), hits.counts)
    number = np.where(cluster >= 0, cluster + made.clusters.offsets[event], -1)
    t = hits.flat("t")
    axis = np.stack([hits.flat(f"dir_{c}") for c in "xyz"], axis=1)
    order = np.lexsort((t, number))
    order = order[number[order] >= 0]
    good = np.zeros(len(made.clusters), bool)
    for lag in range(1, int(made.clusters.flat("n_hits").max())):
        a, b = order[:-lag], order[lag:]
        near = (number[a] == number[b]) & (t[b] - t[a] <= 10.0)
        near &= np.einsum("ij,ij->i", axis[a], axis[b]) >= min_cos
        good[number[a[near]]] = True
    return np.where(number >= 0, good[np.maximum(number, 0)], False)


def l2_from_the_first(chunk: k3.Chunk, min_cos: float) -> np.ndarray:
    cut = None if min_cos <= -1 else min_cos
    return coincidences(chunk, l2_window=10.0, min_cos=cut).hits.flat("cluster_id") >= 0


@pytest.fixture(scope="module")
def simulated(data: Path) -> k3.Chunk:
    return k3.open(data / SIMULATION).read(["events", "mc_hits"])


@pytest.fixture(scope="module")
def arca(daq: k3.Chunk, daq_detector: k3.Detector, simulated: k3.Chunk) -> k3.Chunk:
    return flag(truth(k3.calibrate(daq, daq_detector, slewing="none"), daq_detector, simulated))


@pytest.mark.parametrize(
    ("name", "detector", "min_cos", "all_hits", "jpp", "any_pair", "from_first"),
    [
        (NUE, NUE_DETX, -1.0, 0.098, (0.771, 0.943), (0.690, 0.861), (0.628, 0.852)),
        (ELEC, ELEC_DETX, 0.0, 0.093, (0.562, 0.951), (0.431, 0.836), (0.428, 0.835)),
        (MUON, MUON_DETX, 0.0, 0.573, (0.765, 0.953), (0.614, 0.972), (0.604, 0.973)),
    ],
)
def test_a5_the_shares_of_three_offline_files(
    data: Path, name: str, detector: str, min_cos: float, all_hits: float, jpp, any_pair, from_first
) -> None:
    detector = k3.Detector.open(data / detector)
    file = k3.open(data / name).read(["events", "hits", "mc_hits"])
    axes = k3.calibrate(file, detector).hits
    placed = file.hits.with_columns(**{f"dir_{c}": axes.flat(f"dir_{c}") for c in "xyz"})
    chunk = truth(file.evolve("axes", {"hits": placed}), detector)
    assert np.isfinite(chunk.events.flat("mc_offset")).all()
    signal = chunk.hits.flat("signal")
    assert signal.mean() == pytest.approx(all_hits, abs=0.01)
    assert shares(chunk.hits.flat("trig") != 0, signal) == pytest.approx(jpp, abs=0.01)
    # the study's L2 is that of any pair; ours, which the stored flags follow, is of the first hit
    assert shares(l2_of_any_pair(chunk, min_cos), signal) == pytest.approx(any_pair, abs=0.01)
    assert shares(l2_from_the_first(chunk, min_cos), signal) == pytest.approx(from_first, abs=0.01)
    # those files name the PMT of each hit themselves, and agree
    own = truth(file)
    np.testing.assert_array_equal(own.hits.flat("mc_hit"), chunk.hits.flat("mc_hit"))


def test_a5_the_shares_of_daq_events_and_their_simulation(
    arca: k3.Chunk, daq_detector: k3.Detector, simulated: k3.Chunk
) -> None:
    labelled = np.isfinite(arca.events.flat("mc_offset"))
    assert labelled.sum() == 248
    assert arca.counters["truth/events_without_simulation"] == 2
    hits = arca.hits
    of = np.repeat(labelled, hits.counts)
    signal, jpp, level2 = hits.flat("signal"), hits.flat("trig") != 0, l2_of_any_pair(arca, -1.0)
    few = first_fifty(arca, daq_detector, simulated)
    # the study's numbers come from labels by the first 50 simulated hits of each PMT
    assert few.sum() == 152_712
    assert few[of].mean() == pytest.approx(0.480, abs=0.001)
    assert shares(of & jpp, few) == pytest.approx((0.850, 0.920), abs=0.001)
    assert shares(of & level2, few) == pytest.approx((0.749, 0.914), abs=0.001)
    # all of them make more signal, all of it on bright PMTs, and what is selected purer
    assert signal[few].all()
    assert signal.sum() == 160_517
    assert signal[of].mean() == pytest.approx(0.504, abs=0.001)
    assert shares(of & jpp, signal) == pytest.approx((0.856, 0.974), abs=0.001)
    assert shares(of & level2, signal) == pytest.approx((0.755, 0.968), abs=0.001)
    assert shares(of & l2_from_the_first(arca, -1.0), signal) == pytest.approx((0.682, 0.968), abs=0.001)


def first_fifty(chunk: k3.Chunk, detector: k3.Detector, simulated: k3.Chunk) -> np.ndarray:
    """Label hits by the first 50 simulated hits of their PMT, as the study did."""
    hits, light = chunk.hits, simulated.mc_hits
    pmt = pmts.properties(detector, pmts.rows_of(hits, detector), ("pmt_id",))["pmt_id"]
    t, offset = hits.flat("t"), chunk.events.flat("mc_offset")
    counter = chunk.events.flat("trigger_counter").astype(np.int64)
    signal = np.zeros(len(t), bool)
    for e in np.flatnonzero(np.isfinite(offset)):
        a, b = hits.offsets[e], hits.offsets[e + 1]
        c, d = light.offsets[counter[e]], light.offsets[counter[e] + 1]
        order = c + np.argsort(light.flat("pmt_id")[c:d], kind="stable")
        key = light.flat("pmt_id")[order]
        low = np.searchsorted(key, pmt[a:b])
        n = np.minimum(np.searchsorted(key, pmt[a:b], "right") - low, 50)
        hit = np.repeat(np.arange(b - a), n)
        which = order[np.arange(len(hit)) - np.repeat(np.cumsum(n) - n, n) + low[hit]]
        apart = t[a:b][hit] - light.flat("t")[which] - offset[e]
        signal[a + hit[(apart >= -10) & (apart <= 15)]] = True
    return signal


def test_events_paired_wrongly_have_no_signal(
    daq: k3.Chunk, daq_detector: k3.Detector, simulated: k3.Chunk
) -> None:
    some = {n: t.take_events(np.arange(80)) for n, t in daq.tables.items()}
    events = some["events"].with_columns(
        trigger_counter=some["events"].flat("trigger_counter") + np.uint64(1)
    )
    shifted = k3.Chunk(daq.source, {**some, "events": events})
    made = flag(truth(k3.calibrate(shifted, daq_detector, slewing="none"), daq_detector, simulated))
    assert shares(made.hits.flat("trig") != 0, made.hits.flat("signal"))[1] < 0.01


def test_the_track_of_each_signal_hit_is_known(arca: k3.Chunk, simulated: k3.Chunk) -> None:
    hits, light = arca.hits, simulated.mc_hits
    event = np.repeat(np.arange(250), hits.counts)
    entry = arca.events.flat("trigger_counter").astype(np.int64)[event]
    signal = hits.flat("signal")
    row = light.offsets[entry[signal]] + hits.flat("mc_hit")[signal]
    np.testing.assert_array_equal(hits.flat("origin")[signal], light.flat("origin")[row])
    assert (hits.flat("origin")[~signal] == -1).all()
    assert (hits.flat("mc_hit")[~signal] == -1).all()


def test_scores_by_hit_and_by_event(arca: k3.Chunk) -> None:
    made = score_truth(arca)
    got = truth_ratios(made.counters, "stored")
    assert (got["efficiency"], got["purity"]) == pytest.approx((0.8557, 0.9736), abs=1e-3)
    table = made.truth_scores
    by_event = {c: table.flat(c).reshape(250, -1) for c in table.columns}
    some = (by_event["n_signal"][:, 0] > 0) & np.isfinite(arca.events.flat("mc_offset"))
    each = by_event["n_both"][some, 1] / by_event["n_signal"][some, 1]
    assert got["event_efficiency"] == pytest.approx(each.mean())
    assert made.counters["score_truth/events"] == 248
    assert np.isnan(truth_ratios(made.counters, "found")["purity"])


def test_what_cannot_be_labelled_is_said(
    daq: k3.Chunk, daq_detector: k3.Detector, simulated: k3.Chunk
) -> None:
    calibrated = k3.calibrate(daq, daq_detector)
    with pytest.raises(FormatError, match="no simulated hits to match with"):
        truth(calibrated, daq_detector)
    with pytest.raises(CalibrationError, match="calibrate them first"):
        truth(daq, daq_detector, simulated)
    with pytest.raises(FormatError, match="run the stage 'truth' before"):
        score_truth(calibrated)
    with pytest.raises(ConfigError, match="late must be 0 ns or more"):
        Truth(late=-1.0)
    counter = daq.events.flat("trigger_counter") + np.uint64(10_000)
    other = calibrated.evolve("x", {"events": daq.events.with_columns(trigger_counter=counter)})
    with pytest.raises(FormatError, match="none of which is among 0 to 999"):
        truth(other, daq_detector, simulated)
