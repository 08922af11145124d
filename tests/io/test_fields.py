"""Fit information, user values and weights by name, against km3io where it gives an answer."""

from __future__ import annotations

import awkward as ak
import km3io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import km3gpu
from km3gpu.definitions import FitParameter
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io import fields
from km3gpu.io.header import Header
from km3gpu.table import Ragged, Table
from tests.io.trees import ROOT_FILES

LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
NUE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
CC = {
    # charged-current events of files whose name says what they are
    "offline/numucc.root": (10, 10),
    "offline/mcv5.1.genhen_anumuNC.sirene.jte.jchain.aashower.sample.root": (0, 10),
    LARGE: (307, 307),
    NUE: (31, 31),
    "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root": (140, 140),
    "gseagen/gseagen_v7.0.0_numuCC_diffuse.aa.root": (82, 82),
}


def read(data, name, **options):
    return km3gpu.open(data / name).read(backend="cpu", **options)


@pytest.mark.parametrize("name", ["offline/km3net_offline.root", LARGE, "offline/numucc.root"])
def test_fit_information_is_km3ios(data, name):
    tracks = read(data, name, columns=["tracks/fitinf"]).tracks
    theirs = km3io.OfflineReader(str(data / name)).tracks
    for parameter in (FitParameter.JGANDALF_BETA0_RAD, FitParameter.JENERGY_ENERGY):
        try:
            wanted = ak.to_numpy(ak.flatten(km3io.tools.fitinf(parameter, theirs)))
        except IndexError:
            continue  # km3io fails where a list is shorter than the index
        assert np.array_equal(fields.fit_information(tracks, parameter), wanted, equal_nan=True)


def test_fit_information_beyond_a_list_is_nan(data):
    tracks = read(data, "offline/km3net_offline.root", columns=["tracks/fitinf"]).tracks
    lengths = np.diff(tracks.flat("fitinf").offsets)
    column = fields.fit_information(tracks, "JSTART_LENGTH_METRES")
    assert len(np.unique(lengths)) > 1
    assert np.array_equal(np.isnan(column), lengths <= 10)
    assert (fields.fit_information(tracks, 10)[lengths > 10] == column[lengths > 10]).all()
    assert np.isnan(fields.fit_information(tracks, FitParameter.JMUONFEATURES_NUMBER_OF_HITS)).all()


def test_an_unknown_fit_parameter(data):
    tracks = read(data, "offline/km3net_offline.root", columns=["tracks/fitinf"]).tracks
    with pytest.raises(
        UnknownNameError, match="no fit parameter 'JENERGY_ENERGIE'; there is: JENERGY_ENERGY"
    ):
        fields.fit_information(tracks, "JENERGY_ENERGIE")
    with pytest.raises(UnknownNameError, match="no fit parameter '-1'"):
        fields.fit_information(tracks, -1)


def test_user_values_of_events_are_km3ios(data):
    events = read(data, "offline/usr-sample.root", columns=["events/usr", "events/usr_names"]).events
    theirs = km3io.OfflineReader(str(data / "offline/usr-sample.root"))
    for name in ("RecoQuality", "RecoNDF", "CoC", "ChargeAbove", "NTrigHits"):
        wanted = ak.to_numpy(km3io.tools.usr(theirs.events, name))
        assert np.array_equal(fields.user_values(events, name), wanted)


def test_user_values_of_tracks(data):
    tracks = read(data, LARGE, tables="mc_tracks").mc_tracks
    names, values = ak.flatten(tracks.usr_names).to_list(), ak.flatten(tracks.usr).to_list()
    every = {n for row in names for n in row}
    assert len(every) > 2
    for name in every:
        wanted = [v[n.index(name)] if name in n else np.nan for n, v in zip(names, values, strict=True)]
        assert np.array_equal(fields.user_values(tracks, name), wanted, equal_nan=True)


def test_an_unknown_user_value_names_the_closest(data):
    events = read(data, "offline/usr-sample.root", columns=["events/usr", "events/usr_names"]).events
    with pytest.raises(UnknownNameError, match=r"no user value 'RecoQuali'.*there is: RecoQuality"):
        fields.user_values(events, "RecoQuali")


rows = st.lists(
    st.lists(st.tuples(st.sampled_from(["a", "bb", "", "äö"]), st.integers(0, 9)), max_size=4), max_size=8
)


@given(rows)
def test_user_values_of_random_rows(rows):
    strings = [name.encode() for row in rows for name, _ in row]
    offsets = np.cumsum([0, *map(len, rows)])
    text = Ragged(
        np.cumsum([0, *map(len, strings)]), np.frombuffer(b"".join(strings) or b"", np.uint8), text=True
    )
    values = np.array([float(v) for row in rows for _, v in row])
    table = Table("x", {"usr": Ragged(offsets, values), "usr_names": Ragged(offsets, text)})
    for name in ("a", "bb", "", "äö"):
        wanted = [next((float(v) for n, v in row if n == name), np.nan) for row in rows]
        if not any(n == name for row in rows for n, _ in row):
            with pytest.raises(UnknownNameError):
                fields.user_values(table, name)
            continue
        assert np.array_equal(fields.user_values(table, name), wanted, equal_nan=True)


@pytest.mark.parametrize("name", CC)
def test_charged_current(data, name):
    # km3io fails on the gSeaGen files with a long w2list
    source = km3gpu.open(data / name)
    chunk = source.read(("events", "mc_tracks"), backend="cpu")
    found = fields.is_cc(chunk.events, source.header, chunk.mc_tracks)
    assert (found.sum(), len(found)) == CC[name]


def test_charged_current_without_header(data):
    chunk = read(data, NUE, columns=["events/w2list"])
    assert fields.is_cc(chunk.events).all()


def test_charged_current_that_nothing_tells(data):
    chunk = read(data, "offline/numucc.root", columns=["events/w2list"])
    with pytest.raises(FormatError, match="give mc_tracks"):
        fields.is_cc(chunk.events)


def test_w2list_by_name(data):
    chunk = read(data, NUE, columns=["events/w2list"])
    lists = chunk.events.w2list
    assert fields.w2list(chunk.events, "BY").tolist() == lists[:, 8].to_list()
    assert fields.w2list(chunk.events, "by", "genhen").tolist() == lists[:, 8].to_list()
    with pytest.raises(UnknownNameError, match="no w2list parameter 'DISTAMAX'"):
        fields.w2list(chunk.events, "DISTAMAX", "genhen")


@pytest.mark.parametrize(
    ("header", "generator"),
    [
        ({"physics": "GENHEN 7.2", "simul": "JSirene 11012"}, "genhen"),
        ({"physics": " GENIE 3.0.2", "simul": " gSeaGen v7.0.2", "simul_1": "JSirene 14"}, "gseagen"),
        ({"physics": "CORSIKA 7", "physics_1": "gSeaGen PROPOSAL"}, "gseagen"),
        ({"simul": "MUPAGE v5"}, "mupage"),
        ({"DAQ": "1"}, None),
        ({}, None),
    ],
)
def test_the_generator_of_a_header(header, generator):
    assert fields.generator_of(Header(header)) == generator


def test_the_generator_of_no_header():
    assert fields.generator_of(None) is None


def test_the_generator_of_every_simulated_file(data):
    found = {
        n: fields.generator_of(km3gpu.open(data / n).header)
        for n in ROOT_FILES
        if n.startswith("gseagen/") and "aa" in n
    }
    assert set(found.values()) == {"gseagen"}
