from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import km3gpu as k3
from km3gpu.stages.best_track import RULES, best_track

FILES = [
    "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root",
    "offline/km3net_offline.root",
    "offline/numucc.root",
    "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root",
    "offline/empty_events.root",
]


def by_hand(path, rule):
    """The rule in plain Python over what uproot reads."""
    rec_type, low, high = RULES[rule]
    with uproot.open(path) as file:
        tree = file["E"]
        names = {k.rsplit("/", 1)[-1]: k for k in tree.keys(recursive=True)}
        read = {n: ak.to_list(tree[names[f"trks.{n}"]].array()) for n in ("rec_type", "rec_stages", "lik")}
    best = []
    for kinds, stages, liks in zip(read["rec_type"], read["rec_stages"], read["lik"], strict=True):
        choice = -1
        for i, (kind, stage, lik) in enumerate(zip(kinds, stages, liks, strict=True)):
            if kind != rec_type or not stage or not all(low <= s <= high for s in stage):
                continue
            if choice < 0 or (len(stage), lik) > (len(stages[choice]), liks[choice]):
                choice = i
        best.append(choice)
    return best


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_the_rule_is_followed(data, name, rule):
    chunk = best_track(k3.open(data / name).read(["events", "tracks"]), rule)
    wanted = by_hand(data / name, rule)
    assert chunk.events.flat("best_track").tolist() == wanted
    lik = chunk.events.flat("track_lik")
    assert (np.isnan(lik) == (np.array(wanted) < 0)).all()


def test_the_golden_likelihood(data):
    chunk = best_track(k3.open(data / "offline/km3net_offline.root").read(["events", "tracks"]))
    assert chunk.events.flat("track_lik")[0] == pytest.approx(294.6407542676734, rel=1e-15)


def test_arrival_time_is_frame_plus_track(offline):
    events = best_track(offline).events
    found = events.flat("best_track") >= 0
    late = events.flat("track_time_ns") - events.flat("time_ns")
    assert found.any()
    np.testing.assert_allclose(late[found], events.flat("track_t")[found], atol=0.5)
    assert (late[~found] == 0).all()


def test_daq_events_have_no_tracks(daq):
    assert best_track(daq).tables.keys() == daq.tables.keys()
