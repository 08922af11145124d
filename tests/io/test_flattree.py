"""Trees of plain columns: the ground truth of KM3io.jl's tests, and uproot."""

from __future__ import annotations

import numpy as np
import pytest
import uproot

import km3gpu

DST = "dst/mcv6.gsg_numu-CCHEDIS_1e2-1e8GeV.sirene.jte.jchain.aashower.dst.bdt_trk.bdt_casc.10events.root"
ACOUSTICS = "acoustics/KM3NeT_00000267_00024724.acoustic-events_A_2.0.0.root"
NU = "oscillations/ORCA6_433kt-y_opendata_v0.5_testdata.root"


def read(data, name, tree=None):
    return km3gpu.open(data / name, tree=tree).read(backend="cpu")


def test_a_summary_file(data):
    chunk = read(data, DST, "T")
    assert chunk.source.kind == "dst"
    first = {c: getattr(chunk.events, c)[0] for c in chunk.events.columns if c.startswith("sum_")}
    assert first["sum_mc_evt_MC_run"] == 41
    assert first["sum_mc_evt_n_gen"] == 128000000
    assert first["sum_mc_trks_ntrks"] == 42
    assert first["sum_mc_hits_nhits"] == 1086
    assert first["sum_hits_nhits"] == 6629
    assert first["sum_trig_hits_nhits"] == 413
    assert first["sum_casc_nhits_aashower"] == 819
    assert first["sum_jpptrack_ntrks"] == 12
    assert chunk.events.sum_mc_trks_tmuon_rec_stages.ndim == 2
    assert chunk.crkv_hits.flat("nhits").shape == (20, 3)


def test_a_summary_file_is_read_as_offline_events_first(data):
    assert km3gpu.open(data / DST).kind == "offline"


def test_oscillation_data(data):
    chunk = read(data, NU)
    assert chunk.source.kind == "oscillations"
    assert chunk.n_events == 59360
    row = {c: chunk.events.flat(c)[0] for c in chunk.events.columns}
    assert (row["AnaClass"], row["E_reco_bin"], row["E_true_bin"], row["Ct_true_bin"]) == (1, 11, 30, 3)
    assert (row["Pdg"], row["IsCC"]) == (-12, True)
    assert row["W"] == 725.8889579721612
    assert row["WE"] == 99699.08425875357
    assert read(data, NU, "binned_data").events.flat("W")[0] == 3.0
    assert read(data, NU, "binned_muon").events.flat("W")[0] == 0.08825455071391969
    assert [read(data, NU, t).n_events for t in ("binned_data", "binned_muon")] == [92, 85]


def test_acoustic_events(data):
    source = km3gpu.open(data / ACOUSTICS)
    chunk = source.read(backend="cpu")
    assert (source.kind, source.detector_id) == ("acoustics", 267)
    assert chunk.n_events == 518
    assert len(chunk.transmissions) == 208111
    assert chunk.transmissions.counts[0] == 403
    first = {c: chunk.transmissions.flat(c)[0] for c in chunk.transmissions.columns}
    assert (first["id"], first["run_id"], first["q"]) == (808957378, 24724, 4707)
    assert (first["toa"], first["toe"]) == (1755972324.9875731, 1755972324.518772)
    part = source.read(entries=(100, 300), backend="cpu")
    assert part.transmissions.toa.to_list() == chunk.transmissions.toa[100:300].to_list()


def test_acoustic_fits(data):
    chunk = read(data, "acoustics/mechanical_model.root")
    assert chunk.source.kind == "acoustic_fits"
    assert chunk.n_events == 14
    assert {2, 3, 4, 9, 10} <= set(chunk.fits.id[0])
    assert len(chunk.fits) == 196
    assert chunk.fits.columns == ("id", "tx", "ty", "tx2", "ty2", "vs")


def test_orientations(data):
    chunk = read(data, "calib/KM3NeT_00000133_D_1.0.0_00017397_00017496_1.orientations.root")
    assert chunk.source.kind == "orientations"
    rows = np.flatnonzero(chunk.events.flat("id") == 817589211)
    assert len(rows) == 5
    wanted = (0.8260205110995139, 0.003912907129683348, -0.004395551387888641, -0.5636093359133512)
    assert tuple(chunk.events.flat(c)[rows[0]] for c in "abcd") == wanted
    assert chunk.events.flat("t")[rows[0]] == 1693407821.152


def test_gseagen_tracks_have_the_names_of_the_offline_format(data):
    chunk = read(data, "gseagen/gseagen.root")
    assert chunk.source.kind == "gseagen"
    assert chunk.n_events == 258
    with uproot.open(data / "gseagen/gseagen.root") as f:
        theirs = f["Events"].arrays(["E_tr", "Dx_tr", "Vz_tr", "Pdg_tr", "E_nu"])
    assert chunk.mc_tracks.E.to_list() == theirs["E_tr"].to_list()
    assert chunk.mc_tracks.dir_x.to_list() == theirs["Dx_tr"].to_list()
    assert chunk.mc_tracks.pos_z.to_list() == theirs["Vz_tr"].to_list()
    assert chunk.mc_tracks.type.to_list() == theirs["Pdg_tr"].to_list()
    assert chunk.events.flat("E_nu").tolist() == theirs["E_nu"].to_list()
    header = read(data, "gseagen/gseagen.root", "Header")
    assert header.events.gSeaGenVer.to_list() == ["v6r1"]
    assert header.source.kind == "tree"


def test_any_other_tree_is_read_by_name(data):
    chunk = read(data, "dst/orca6_sample.root", "headerTree")
    assert chunk.source.kind == "tree"
    assert chunk.header.columns == ("Head_first", "Head_second")
    assert len(chunk.header) == 3


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        (DST, "T"),
        ("dst/orca4_sample.root", "T"),
        ("dst/orca6_sample.root", "T"),
        ("gibuu/EventOutput.Pert.00000001.root", "RootTuple"),
        ("gseagen/gseagen.root", "Events"),
        (NU, "binned_muon"),
        (ACOUSTICS, "ACOUSTICS"),
    ],
)
def test_every_number_is_there_once(data, name, tree):
    source = km3gpu.open(data / name, tree=tree)
    chunk = source.read(backend="cpu")
    n_columns = sum(len(t.columns) for t in chunk.tables.values())
    hidden = [
        c for t in source.tables for c in km3gpu.io.opened.open_file(source.paths[0]).dataset(tree).hidden(t)
    ]
    with uproot.open(data / name) as f:
        leaves = [
            b
            for b in f[tree].itervalues(recursive=True)
            if len(b.branches) == 0 and "*" not in b.typename and "unknown" not in b.typename
        ]
    assert n_columns + len(hidden) == len(leaves)
    for chunk_part in source.chunks(1000, backend="cpu"):
        assert chunk_part.n_events <= 1000
