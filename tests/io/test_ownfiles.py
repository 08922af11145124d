"""Our own Parquet and HDF5, read back by the same open."""

from __future__ import annotations

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import km3gpu
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.hdf5 import HDF5Sink
from km3gpu.io.parquet import ParquetSink

OFFLINE = "offline/km3net_offline.root"
ONLINE = "online/muon_cc_daqevents.root"
SINKS = {"parquet": ParquetSink(), "hdf5": HDF5Sink()}


def same(ours, theirs):
    assert ours.columns == theirs.columns
    for column in ours.columns:
        assert ak.array_equal(getattr(ours, column), getattr(theirs, column), equal_nan=True), column


@pytest.fixture(scope="module", params=SINKS)
def written(request, data, tmp_path_factory):
    """A file of one part, and the chunk it was written from."""
    sink = SINKS[request.param]
    chunk = km3gpu.open(data / OFFLINE).read(backend="cpu")
    path = tmp_path_factory.mktemp("own") / f"x{sink.suffix}"
    sink.write(chunk, path)
    return path, chunk


def test_everything_comes_back(written):
    path, chunk = written
    source = km3gpu.open(path)
    assert (source.kind, source.n_events) == ("tables", 10)
    assert source.detector_id == 44
    again = source.read(backend="cpu")
    assert set(again.tables) == set(chunk.tables)
    for name, table in chunk.tables.items():
        same(again.tables[name], table)
        assert again.tables[name].attrs == table.attrs


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (3, 7), (9, 10), (4, 4)])
def test_any_range_and_columns(written, start, stop):
    path, chunk = written
    columns = {"tracks": ("fitinf", "lik", "comment"), "hits": ("t",), "events": ("id", "w")}
    part = km3gpu.open(path).read(columns=columns, entries=(start, stop), backend="cpu")
    assert {t: table.columns for t, table in part.tables.items()} == columns
    for table, names in columns.items():
        for name in names:
            wanted = getattr(chunk.tables[table], name)[start:stop]
            assert getattr(part.tables[table], name).to_list() == wanted.to_list()


@pytest.mark.parametrize("format_", SINKS)
def test_chunks_of_a_merged_file(data, tmp_path, format_):
    sink = SINKS[format_]
    source = km3gpu.open(data / ONLINE)
    parts = []
    for i, chunk in enumerate(source.chunks(60, backend="cpu")):
        parts.append(tmp_path / f"{i}{sink.suffix}")
        sink.write(chunk, parts[-1])
    merged = tmp_path / f"merged{sink.suffix}"
    sink.merge(parts, merged, "{}")
    again = km3gpu.open(merged)
    assert again.n_events == 250
    whole = source.read(backend="cpu")
    same(again.read(backend="cpu").hits, whole.hits)
    pieces = list(again.chunks(100, backend="cpu"))
    assert (
        ak.concatenate([p.triggered_hits.trig for p in pieces]).to_list()
        == whole.triggered_hits.trig.to_list()
    )


def test_several_files_are_one_source(written):
    path, chunk = written
    source = km3gpu.open([path, path])
    assert source.n_events == 20
    assert (
        source.read("hits", entries=(12, 14), backend="cpu").hits.t.to_list() == chunk.hits.t[2:4].to_list()
    )


def test_unknown_names(written):
    path, _ = written
    with pytest.raises(UnknownNameError, match="no column 'tt'"):
        km3gpu.open(path).read(columns=["hits/tt"])
    with pytest.raises(UnknownNameError, match=r"no tree 'E'.*there is: tables"):
        km3gpu.open(path, tree="E")


def test_somebody_elses_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1, 2]}), path)
    with pytest.raises(FormatError, match="km3gpu did not write"):
        km3gpu.open(path)


def test_a_truncated_parquet_file(written, tmp_path):
    path, _ = written
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FormatError, match=cut.name):
        km3gpu.open(cut).read()
