"""Offline events: the ground truth of KM3io.jl's and km3io's tests."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
import uproot

import km3gpu
from km3gpu import schema

LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
NUE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"


def read(data, name, **options):
    return km3gpu.open(data / name).read(backend="cpu", **options)


@pytest.fixture(scope="module")
def small(data):
    return read(data, "offline/km3net_offline.root")


def test_numbers_of_hits_and_tracks(small):
    assert small.source.kind == "offline"
    assert small.hits.counts.tolist() == [176, 125, 318, 157, 83, 60, 71, 84, 255, 105]
    assert small.tracks.counts.tolist() == [56, 55, 56, 56, 56, 56, 56, 56, 54, 56]
    assert small.events.flat("t_sec")[0] == 1567036818


def test_fit_information(small):
    fitinf = small.tracks.fitinf
    assert len(fitinf[0, 0]) == 17
    assert fitinf[0, 0, -1] == 101.0
    assert fitinf[-1, 0, 0] == 0.009290906625313346
    assert ak.sum(fitinf[-1, 1]) == pytest.approx(63.92088448673299, rel=1e-14)
    assert small.tracks.lik[0, 0] == 294.6407542676734


def test_time_is_exact_int64(small):
    events = small.events
    seconds, ns = events.flat("t_sec").astype("i8"), events.flat("t_ns")
    assert events.flat("time_ns").dtype == np.int64
    assert (events.flat("time_ns") == seconds * 10**9 + ns).all()


def test_sums_of_a_simulated_file(data):
    chunk = read(data, "offline/numucc.root")
    assert len(chunk.events) == 10
    assert len(chunk.tracks) == 407
    first = chunk.hits.take_events(np.asarray([0]))
    assert first.flat("t").sum() == pytest.approx(3.77960885798e11, rel=1e-12)
    assert first.flat("channel_id").sum() == 65325
    assert first.flat("dom_id").astype("i8").sum() == 24720688


def test_row_counts_of_the_large_files(data):
    columns = dict.fromkeys(("hits", "mc_hits", "tracks", "mc_tracks"), ("id",))
    chunk = read(data, LARGE, columns=columns)
    assert {t: len(chunk.tables[t]) for t in columns} == {
        "hits": 11253,
        "mc_hits": 23930,
        "tracks": 126082,
        "mc_tracks": 2395,
    }
    chunk = read(data, "offline/muon_cc_events.root", columns=columns)
    assert chunk.n_events == 1000
    assert {t: len(chunk.tables[t]) for t in columns} == {
        "hits": 0,
        "mc_hits": 779382,
        "tracks": 0,
        "mc_tracks": 8207,
    }
    assert len(read(data, NUE, columns={"hits": ("tdc",)}).hits) == 181484


def test_user_values_by_name(data):
    events = read(data, "offline/usr-sample.root").events
    names, values = events.usr_names[0].to_list(), events.usr[0].to_list()
    found = dict(zip(names, values, strict=True))
    assert len(found) == 17
    assert found["ChargeAbove"] == 176
    assert found["NTrigHits"] == 30
    assert found["RecoQuality"] == pytest.approx(85.4596, abs=1e-4)
    assert found["ClassficationScore"] == pytest.approx(0.168634, abs=1e-6)
    assert found["CoC"] == pytest.approx(118.63, abs=1e-2)


def test_a_file_without_events(data):
    chunk = read(data, "offline/empty_events.root")
    assert chunk.n_events == 0
    assert len(chunk.hits) == 0
    assert chunk.hits.offsets.tolist() == [0]
    assert chunk.tracks.fitinf.to_list() == []


def test_columns_have_the_declared_types(data):
    for name in ("offline/km3net_offline.root", "offline/numucc.root", NUE):
        source = km3gpu.open(data / name)
        chunk = source.read(entries=(0, 2), backend="cpu")
        for table in chunk.tables.values():
            for column in table.columns:
                declared = schema.FIELDS.get((table.name, column))
                if declared is not None and declared.dtype[0] not in "[s":
                    assert table.flat(column).dtype == np.dtype(declared.dtype), (name, column)


def test_old_narrow_trigger_bits_become_64_bits(data):
    # hits.trig is four bytes wide in this file
    assert (
        read(data, "offline/km3net_offline.root", columns=["hits/trig"]).hits.flat("trig").dtype == np.uint64
    )


def test_bookkeeping_is_read_only_by_name(data):
    source = km3gpu.open(data / "offline/numucc.root")
    assert "fBits" not in source.tables["tracks"]
    chunk = source.read(columns={"tracks": ("fBits", "id")}, backend="cpu")
    assert chunk.tracks.columns == ("fBits", "id")


def test_branches_that_a_file_lacks_have_declared_defaults(data):
    old = read(data, LARGE, columns={"tracks": ("counter", "mother_id", "status", "lik"), "hits": ("t",)})
    assert old.tracks.attrs == {"defaults": "counter, mother_id, status"}
    assert old.hits.attrs == {}
    for name, default in (("counter", 0), ("mother_id", -1), ("status", 0)):
        column = old.tracks.flat(name)
        assert column.dtype == np.int32
        assert len(column) == len(old.tracks)
        assert (column == default).all()
    new = read(data, "offline/muon_cc_events.root", tables="mc_tracks").mc_tracks
    assert new.attrs == {}
    assert len(np.unique(new.flat("mother_id"))) > 1


def test_branches_unknown_to_the_schema_keep_their_names(tmp_path):
    path = tmp_path / "x.root"
    with uproot.recreate(path) as f:
        f.mktree("E", {"id": "int32", "strange": "float64"})
        f["E"].extend({"id": [1, 2], "strange": [0.5, 1.5]})
    chunk = km3gpu.open(path).read(backend="cpu")
    assert chunk.events.flat("strange").tolist() == [0.5, 1.5]
    assert chunk.events.flat("id").tolist() == [1, 2]


def test_the_uuid_of_the_header(data):
    uuid = read(data, "offline/muon_cc_events.root", columns=["events/header_uuid"]).events.flat(
        "header_uuid"
    )
    assert uuid.shape == (1000, 16)
    assert uuid.dtype == np.uint8
