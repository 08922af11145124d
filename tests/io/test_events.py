"""DAQ events: the ground truth of KM3io.jl's tests, and uproot's bytes decoded by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import uproot
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

import km3gpu
from km3gpu.errors import FormatError
from tests.io.trees import ROOT_FILES

HIT = np.dtype([("dom_id", ">i4"), ("channel_id", "u1"), ("tdc", "<u4"), ("tot", "u1")])
TRIGGERED = np.dtype([*HIT.descr, ("count", ">u4"), ("version", ">u2"), ("trig", ">u8")])
WITH_EVENTS = [n for n in ROOT_FILES if n.startswith(("online/", "mupage/"))]


@pytest.fixture(scope="module")
def online(data):
    return km3gpu.open(data / "online/km3net_online.root").read(backend="cpu")


def test_numbers_of_hits(online):
    assert online.source.kind == "daq"
    assert np.diff(online.hits.offsets).tolist() == [96, 124, 78]
    assert np.diff(online.triggered_hits.offsets).tolist() == [18, 53, 9]


def test_first_hits_of_each_event(online):
    hits = online.hits
    assert hits.dom_id[0, :3].to_list() == [806451572, 806451572, 806455814]
    assert hits.tdc[0, :3].to_list() == [30733918, 30733916, 30733256]
    assert hits.channel_id[0, :5].to_list() == [10, 13, 0, 3, 1]
    assert hits.tot[0, :5].to_list() == [26, 19, 25, 22, 28]
    assert hits.tdc[1, :3].to_list() == [58728018, 58728107, 58729094]
    assert hits.tdc[2, :3].to_list() == [63512204, 63511134, 63512493]


def test_headers(online):
    events = online.events
    assert events.flat("run_id").tolist() == [6633] * 3
    assert events.flat("det_id").tolist() == [44] * 3
    assert events.flat("frame_index").tolist() == [127, 127, 129]
    second = 0x5DC6018C * 10**9
    assert (events.flat("time_ns") - second).tolist() == [700_000_000, 700_000_000, 900_000_000]
    assert events.flat("trigger_counter").tolist() == [0, 1, 0]
    assert events.flat("trigger_mask").tolist() == [22, 22, 4]
    assert events.flat("overlays").tolist() == [6, 21, 0]
    assert events.flat("white_rabbit").tolist() == [False] * 3


def test_the_large_file(data):
    chunk = km3gpu.open(data / "online/muon_cc_daqevents.root").read(tree="KM3NET_EVENT", backend="cpu")
    assert (len(chunk.events), len(chunk.hits), len(chunk.triggered_hits)) == (250, 319713, 141244)


@pytest.mark.parametrize("name", WITH_EVENTS)
def test_every_hit_of_every_file(data, name):
    with uproot.open(data / name) as f:
        tree = f["KM3NET_EVENT"]
        branches = {b.name: b for b in tree.itervalues(recursive=True)}
        ours = km3gpu.open(data / name, tree="KM3NET_EVENT").read(backend="cpu")
        assert len(ours.events) == tree.num_entries
        for table, branch, dtype in (
            ("hits", "snapshotHits", HIT),
            ("triggered_hits", "triggeredHits", TRIGGERED),
        ):
            theirs = branches[branch].array(AsJagged(AsDtype(dtype), header_bytes=10), library="np")
            flat = np.concatenate([np.zeros(0, dtype), *theirs])
            mine = getattr(ours, table)
            assert np.diff(mine.offsets).tolist() == [len(e) for e in theirs]
            for column in mine.columns:
                got = mine.flat(column)
                assert got.dtype.isnative
                assert got.flags.c_contiguous
                assert np.array_equal(got, flat[column])


def test_a_triggered_hit_is_also_a_snapshot_hit(online):
    key = ("dom_id", "channel_id", "tdc", "tot")
    for e in range(3):
        every = {tuple(h[k] for k in key) for h in online.hits.to_awkward()[e].to_list()}
        assert {tuple(h[k] for k in key) for h in online.triggered_hits.to_awkward()[e].to_list()} <= every


def test_a_hit_list_with_a_wrong_count_names_file_branch_and_entry(data, tmp_path):
    raw = bytearray((data / "online/km3net_online.root").read_bytes())
    header = (10 * 124 + 6 | 0x40000000).to_bytes(4, "big")
    at = raw.find(header)
    assert raw.count(header) == 1
    raw[at + 9] ^= 1  # the last byte of the number of hits
    path = tmp_path / "wrong.root"
    path.write_bytes(raw)
    with pytest.raises(FormatError, match=r"snapshotHits.*entry 1.*KM3NET_EVENT.*wrong\.root"):
        km3gpu.open(path, tree="KM3NET_EVENT").read(backend="cpu")
