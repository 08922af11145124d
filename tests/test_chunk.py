"""Chunks: identity that follows content and configuration, never the path."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import re
import shutil

import numpy as np
import pytest

from km3gpu import backend
from km3gpu.chunk import TABLES, Chunk, Origin, chunk_id, code_version, file_digest, merge_counters
from km3gpu.errors import InputNotFoundError, UnknownNameError
from km3gpu.table import Table


@pytest.fixture
def origin(tmp_path):
    file = tmp_path / "run.root"
    file.write_bytes(b"some bytes")
    return Origin(str(file), "offline", "E", 0, 10, uuid="u")


@pytest.fixture
def chunk(origin):
    hits = Table("hits", {"t": np.zeros(3)}, np.array([0, 1, 3]))
    events = Table("events", {"run_id": np.array([1, 1])})
    return Chunk(origin, {"events": events, "hits": hits})


def test_id_is_known_before_reading(chunk, origin):
    assert chunk.id == chunk_id(origin)
    assert re.fullmatch(r"[0-9a-f]{32}", chunk.id)


def test_id_does_not_depend_on_the_path(origin, tmp_path):
    shutil.copy(origin.path, tmp_path / "elsewhere.root")
    moved = dataclasses.replace(origin, path=str(tmp_path / "elsewhere.root"))
    assert chunk_id(moved) == chunk_id(origin)


@pytest.mark.parametrize(
    "change",
    [{"kind": "daq"}, {"tree": "T"}, {"start": 1}, {"stop": 9}, {"uuid": "v"}, {"columns": ("hits/t",)}],
    ids=lambda c: next(iter(c)),
)
def test_id_depends_on_everything_that_shapes_the_rows(origin, change):
    assert chunk_id(dataclasses.replace(origin, **change)) != chunk_id(origin)


def test_id_depends_on_content(origin):
    before = chunk_id(origin)
    with open(origin.path, "ab") as f:
        f.write(b"!")
    assert chunk_id(origin) != before


def test_id_depends_on_the_code(origin, monkeypatch):
    before = chunk_id(origin)
    monkeypatch.setattr("km3gpu.chunk.code_version", lambda: "0.1.0+edited")
    assert chunk_id(origin) != before


def test_id_ignores_the_order_of_columns(origin):
    one = dataclasses.replace(origin, columns=("hits/t", "hits/tot"))
    two = dataclasses.replace(origin, columns=("hits/tot", "hits/t"))
    assert chunk_id(one) == chunk_id(two)


def test_history_is_ordered(origin):
    assert chunk_id(origin, ("a", "b")) != chunk_id(origin, ("b", "a"))
    assert chunk_id(origin, ("ab",)) != chunk_id(origin, ("a", "b"))


def test_evolve_adds_and_shares(chunk):
    clusters = Table("clusters", {"dom_id": np.zeros(1, "i4")}, np.array([0, 0, 1]))
    new = chunk.evolve("cluster", {"clusters": clusters}, {"coincidences/clusters": 1})
    assert new.history == ("cluster",)
    assert new.clusters is clusters
    assert new.hits is chunk.hits
    assert "clusters" not in chunk
    assert new.id == chunk_id(chunk.source, ("cluster",)) != chunk.id
    assert (new.counters, chunk.counters) == ({"coincidences/clusters": 1}, {})


def test_counters_add_up_and_maxima_stay_maxima():
    merged = merge_counters({"a/n": 1, "a/max_dt": 3.0}, {"a/n": 2, "a/max_dt": 2.0, "b/n": 5})
    assert merged == {"a/n": 3, "a/max_dt": 3.0, "b/n": 5}
    assert merge_counters({"a/max_dt": 2.0}, {"a/max_dt": 3.0}) == {"a/max_dt": 3.0}


def test_sizes(chunk):
    assert chunk.n_events == len(chunk) == 2
    assert Chunk(chunk.source, {"hits": chunk.hits}).n_events == 2
    assert Chunk(chunk.source, {}).n_events == 0
    assert chunk.nbytes == chunk.hits.nbytes + chunk.events.nbytes


def test_unknown_table_lists_the_closest(chunk):
    with pytest.raises(
        UnknownNameError, match=r"no table 'hit' \(in this chunk of .*run.root\); there is: hits"
    ):
        _ = chunk.hit


def test_pickles_whole(chunk):
    again = pickle.loads(pickle.dumps(chunk))
    assert again.id == chunk.id
    assert again.hits.counts.tolist() == [1, 2]


def test_to_a_backend_moves_every_table(chunk):
    moved = chunk.to(backend.select("cpu"))
    assert moved.id == chunk.id
    assert moved.hits.flat("t").tolist() == [0.0, 0.0, 0.0]


def test_repr(chunk):
    assert repr(chunk) == "<Chunk run.root:E[0:10] events: 2, hits: 3>"
    assert chunk.source.n_entries == 10
    assert "hits" in TABLES


def test_code_version_names_version_and_source():
    from km3gpu import __version__

    assert re.fullmatch(re.escape(__version__) + r"\+[0-9a-f]{12}", code_version())


def test_digest_is_sha256_and_follows_changes(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"one")
    assert file_digest(str(file)) == "sha256:" + hashlib.sha256(b"one").hexdigest()
    file.write_bytes(b"two")
    os.utime(file, ns=(0, 1))  # a coarse clock must not hide the change
    assert file_digest(str(file)) == "sha256:" + hashlib.sha256(b"two").hexdigest()


def test_digest_of_a_missing_file(tmp_path):
    with pytest.raises(InputNotFoundError, match=r"no file '.*nothing.root'; check the path"):
        file_digest(str(tmp_path / "nothing.root"))


def test_with_digest_is_computed_once(origin):
    filled = origin.with_digest()
    assert filled.digest.startswith("sha256:")
    assert filled.with_digest() is filled
