"""Sources: what a file is, and reading it by columns, ranges and chunks."""

from __future__ import annotations

import pickle
import shutil

import awkward as ak
import numpy as np
import pytest

import km3gpu
from km3gpu.chunk import Chunk, Origin, chunk_id, file_digest
from km3gpu.errors import (
    ConfigError,
    FormatError,
    InputNotFoundError,
    NotRootError,
    TruncatedFileError,
    UnknownNameError,
)
from km3gpu.io import opened, read_origin
from tests.io.trees import write_jagged

LARGE = "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
SMALL = "offline/km3net_offline.root"
ONLINE = "online/km3net_online.root"


@pytest.mark.parametrize(
    ("name", "kind", "n", "detector", "run"),
    [
        (SMALL, "offline", 10, 44, 5971),
        (LARGE, "offline", 307, 43, 4695),
        (ONLINE, "daq", 3, 44, 6633),
        ("online/muon_cc_daqevents.root", "daq", 250, 133, 13339),
        ("offline/empty_events.root", "offline", 0, None, None),
    ],
)
def test_what_a_file_is(data, name, kind, n, detector, run):
    source = km3gpu.open(data / name)
    assert (source.kind, source.n_events, len(source)) == (kind, n, n)
    assert (source.detector_id, source.run_id) == (detector, run)


def test_a_file_is_known_by_its_bytes_not_its_name(data, tmp_path):
    shutil.copy(data / ONLINE, tmp_path / "offline.txt")
    assert km3gpu.open(tmp_path / "offline.txt").kind == "daq"


def test_trees_uuid_and_digest(data):
    source = km3gpu.open(data / ONLINE)
    assert source.trees["KM3NET_EVENT"] == 3
    assert source.trees["E"] == 0
    assert source.uuid == km3gpu.open(data / ONLINE).uuid
    assert source.digest == file_digest(str(data / ONLINE))
    assert repr(source).startswith("<Source daq: 3 entries of KM3NET_EVENT in ")


def test_the_default_tree_is_the_first_with_entries(data):
    # this file has both; the offline events come first
    both = data / "mupage/mcv8.1.mupage_tuned_100G.sirene.jterbr00013288.10.root"
    assert km3gpu.open(both).tree == "E"
    assert km3gpu.open(both, tree="KM3NET_EVENT").kind == "daq"
    assert km3gpu.open(both).read(tree="KM3NET_EVENT", backend="cpu").source.kind == "daq"


def test_an_offline_file_without_events_stays_one(data):
    source = km3gpu.open(data / "offline/empty_events.root")
    assert source.trees == {"E": 0, "KM3NET_SUMMARYSLICE": 415}
    assert source.tree == "E"


def test_columns_and_tables(data):
    source = km3gpu.open(data / SMALL)
    chunk = source.read(columns={"hits": ("t", "tot")}, backend="cpu")
    assert set(chunk.tables) == {"hits"}
    assert chunk.hits.columns == ("t", "tot")
    assert chunk.source.columns == ("hits/t", "hits/tot")
    assert source.read("tracks", backend="cpu").tracks.columns == source.tables["tracks"]
    assert set(source.read(backend="cpu").tables) == set(source.tables)
    assert source.read(backend="cpu").source.columns == ()


def test_entries_are_that_part_of_the_whole(data):
    source = km3gpu.open(data / LARGE)
    whole = source.read(columns=["hits/t", "tracks/lik", "events/id"], backend="cpu")
    for start, stop in ((0, 10), (5, 6), (300, 307), (17, 17), (100, 250)):
        part = source.read(
            columns=["hits/t", "tracks/lik", "events/id"], entries=(start, stop), backend="cpu"
        )
        assert part.n_events == stop - start
        assert part.source.start == start
        assert part.hits.t.to_list() == whole.hits.t[start:stop].to_list()
        assert ak.array_equal(part.tracks.lik, whole.tracks.lik[start:stop], equal_nan=True)
        assert part.events.flat("id").tolist() == whole.events.flat("id")[start:stop].tolist()
    assert source.read("events", entries=(-7, None), backend="cpu").n_events == 7
    assert source.read("events", entries=(5, 2), backend="cpu").n_events == 0


@pytest.mark.parametrize("step", [None, 1, 7, 40, 1000, "1 MB", "100 kB"])
def test_chunks_are_the_file_in_order(data, step):
    source = km3gpu.open(data / LARGE)
    columns = {"hits": ("t", "dom_id"), "events": ("id",)}
    if step == 1:
        origins = source.origins(1, columns=columns)
        assert len(origins) == 307
        return
    whole = source.read(columns=columns, backend="cpu")
    chunks = list(source.chunks(step, columns=columns, backend="cpu"))
    assert np.concatenate([c.hits.flat("t") for c in chunks]).tolist() == whole.hits.flat("t").tolist()
    assert [c.source for c in chunks] == source.origins(step, columns=columns)
    assert sum(c.n_events for c in chunks) == 307


def test_chunk_edges_lie_on_baskets(data):
    source = km3gpu.open(data / LARGE)
    edges = set(opened.open_file(str(data / LARGE)).dataset("E").edges())
    assert len(edges) > 10
    origins = source.origins(50)
    assert {o.stop for o in origins} <= edges
    assert max(o.n_entries for o in origins) <= 50


def test_origins_know_all_but_the_digest(data):
    (origin,) = km3gpu.open(data / ONLINE).origins()
    assert origin.kind == "daq"
    assert origin.tree == "KM3NET_EVENT"
    assert (origin.start, origin.stop) == (0, 3)
    assert origin.uuid
    assert origin.digest == ""
    chunk = read_origin(origin, backend="cpu")
    assert chunk.id == chunk_id(origin)
    assert len(chunk.hits) == 298


def test_several_files_are_one_sequence(data):
    paths = [
        data / ONLINE,
        data / "online/events_sample.root",
        data / "online/KM3NeT_00000133_JDAQEvent.root",
    ]
    source = km3gpu.open(paths)
    assert source.n_events == 3 + 10 + 10
    chunks = list(source.chunks(backend="cpu"))
    assert [c.source.path for c in chunks] == [str(p) for p in paths]
    middle = source.read("events", entries=(4, 9), backend="cpu")
    assert middle.source.path == str(paths[1])
    assert (middle.source.start, middle.source.stop) == (1, 6)
    with pytest.raises(ConfigError, match="go beyond"):
        source.read(entries=(1, 5))
    with pytest.raises(ConfigError, match="one chunk cannot hold 3 files"):
        source.read()
    assert source.read("events", entries=(23, 23), backend="cpu").n_events == 0


def test_a_glob(data):
    source = km3gpu.open(str(data / "online/KM3NeT_00000[12]*_JDAQEvent*.root"))
    assert len(source.paths) == 2
    assert source.n_events == 23


def test_testdata_paths(data):
    assert km3gpu.open("testdata:" + SMALL).paths == (str(data / SMALL),)


def test_a_source_is_picklable_after_use(data):
    source = km3gpu.open(data / SMALL)
    before = source.read("hits", backend="cpu")
    again = pickle.loads(pickle.dumps(source))
    assert again == source
    assert len(pickle.dumps(source)) < 1000
    assert again.read("hits", backend="cpu").hits.flat("t").tolist() == before.hits.flat("t").tolist()


def test_a_chunk_is_picklable(data):
    chunk = km3gpu.open(data / SMALL).read(backend="cpu")
    again = pickle.loads(pickle.dumps(chunk))
    assert isinstance(again, Chunk)
    assert again.id == chunk.id
    assert again.tracks.fitinf.to_list() == chunk.tracks.fitinf.to_list()


def test_an_open_file_is_used_again_until_it_changes(data, tmp_path):
    path = tmp_path / "x.root"
    write_jagged(path, [[1.0], [2.0]], 1, None)
    first = opened.open_file(str(path))
    assert opened.open_file(str(path)) is first
    write_jagged(path, [[1.0], [2.0], [3.0]], 1, None)
    assert opened.open_file(str(path)) is not first


def test_missing_files(data):
    with pytest.raises(InputNotFoundError, match=r"there is: km3net_offline\.root"):
        km3gpu.open(data / "offline/km3net_offlin.root")
    with pytest.raises(InputNotFoundError, match="is a folder"):
        km3gpu.open(data / "offline")


def test_files_that_are_something_else(data, tmp_path):
    path = tmp_path / "x.root"
    path.write_bytes(b"not a root file at all")
    with pytest.raises(NotRootError, match=r"x\.root"):
        km3gpu.open(path)
    write_jagged(path, [[1.0]], 1, None, "T2")
    with pytest.raises(FormatError, match=r"no tree of KM3NeT's formats .*its trees: T2"):
        km3gpu.open(path)


def test_a_truncated_file(data, tmp_path):
    path = tmp_path / "x.root"
    path.write_bytes((data / SMALL).read_bytes()[:50000])
    with pytest.raises(TruncatedFileError, match=r"ends at byte 50000.*x\.root.*fetch it again"):
        km3gpu.open(path)


def test_unknown_names_are_told_with_the_closest(data):
    source = km3gpu.open(data / SMALL)
    with pytest.raises(UnknownNameError, match=r"no tree 'KM3NET_EVNT'.*E"):
        source.read(tree="KM3NET_EVNT")
    with pytest.raises(UnknownNameError, match=r"no table 'hit'.*hits"):
        source.read("hit")
    with pytest.raises(UnknownNameError, match=r"no column 'tots'.*tot"):
        source.read(columns=["hits/tots"])
    with pytest.raises(UnknownNameError, match="no tree 'X'"):
        km3gpu.open(data / SMALL, tree="X")


def test_an_origin_beyond_the_file(data):
    origin = Origin(str(data / SMALL), "offline", "E", 0, 11)
    with pytest.raises(FormatError, match="entries 0 to 11 of 10"):
        read_origin(origin)


def test_reading_other_columns_changes_the_identity(data):
    (origin,) = km3gpu.open(data / SMALL).origins(columns=["hits/t"])
    chunk = read_origin(origin, ["hits/tot"], backend="cpu")
    assert chunk.hits.columns == ("tot",)
    assert chunk.id != chunk_id(origin)
    assert chunk.source.columns == ("hits/tot",)
