from __future__ import annotations

import json
import time
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.io.parquet import ParquetSink, from_arrow, to_arrow
from km3gpu.table import Table

from . import tables

SINK = ParquetSink()


@pytest.mark.parametrize("n", [0, 1, 57])
@pytest.mark.parametrize("compression", ["zstd", "none", "gzip"])
def test_what_is_written_is_read_back(tmp_path: Path, n: int, compression: str) -> None:
    chunk = tables.chunk(n)
    sink = ParquetSink(compression=compression)
    part = sink.write(chunk, tmp_path / "a.parquet")
    assert part.rows == {name: len(t) for name, t in chunk.tables.items()}
    assert part.bytes == (tmp_path / "a.parquet").stat().st_size
    assert part.digest == file_digest(str(tmp_path / "a.parquet"))
    tables.assert_same(sink.read(tmp_path / "a.parquet"), dict(chunk.tables))


def test_other_readers(tmp_path: Path) -> None:
    chunk = tables.chunk(40)
    SINK.write(chunk, tmp_path / "a.parquet")
    array = ak.from_parquet(tmp_path / "a.parquet")
    assert len(array) == 40
    assert ak.all(array.hits.t == chunk.hits.t)
    assert ak.to_list(array.hits.trig) == ak.to_list(chunk.hits.trig)  # uint64 beyond 2**53
    assert ak.to_list(array.time_ns) == chunk.events.flat("time_ns").tolist()
    assert ak.to_list(array.tracks.usr_names) == ak.to_list(chunk.tracks.usr_names)
    assert ak.to_list(array.comment) == ak.to_list(chunk.events.comment)
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    assert [len(r["hits"]) for r in rows] == chunk.hits.counts.tolist()
    assert rows[3]["time_ns"] == chunk.events.flat("time_ns")[3]


def test_units_and_meanings(tmp_path: Path) -> None:
    SINK.write(tables.chunk(3), tmp_path / "a.parquet")
    described = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"km3gpu:schema"])
    assert described["hits"]["columns"]["t"]["unit"] == "ns"
    assert described["hits"]["columns"]["t"]["dtype"] == "float64"
    assert described["events"]["columns"]["matrix"]["dtype"] == "float64[3][2]"
    assert described["tracks"]["columns"]["usr_names"]["dtype"] == "[text]"


def test_merging_is_reading_one_after_the_other(tmp_path: Path) -> None:
    chunks = [tables.chunk(n, seed=n) for n in (5, 0, 30, 1)]
    parts = []
    for i, chunk in enumerate(chunks):
        parts.append(tmp_path / f"{i}.parquet")
        SINK.write(chunk, parts[-1])
    part = SINK.merge(parts, tmp_path / "all.parquet", '{"who": "me"}')
    merged = SINK.read(tmp_path / "all.parquet")
    for name, table in merged.items():
        assert part.rows[name] == len(table) == sum(len(c.tables[name]) for c in chunks)
        together = ak.concatenate([c.tables[name].to_awkward() for c in chunks])
        assert ak.to_list(table.to_awkward()) == ak.to_list(together)
    metadata = pq.read_schema(tmp_path / "all.parquet").metadata
    assert metadata[b"km3gpu:provenance"] == b'{"who": "me"}'
    assert merged["hits"].attrs == {"calibration": "sha256:ab"}


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        SINK.write(tables.chunk(20), tmp_path / name)
        SINK.merge([tmp_path / name, tmp_path / name], tmp_path / f"{name}{name}", "{}")
        time.sleep(0.01)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "aa").read_bytes() == (tmp_path / "bb").read_bytes()


def test_only_some_tables(tmp_path: Path) -> None:
    ParquetSink(tables=("events",)).write(tables.chunk(4), tmp_path / "a")
    assert list(SINK.read(tmp_path / "a")) == ["events"]
    with pytest.raises(UnknownNameError, match=r"no table 'hit'.*there is: hits"):
        ParquetSink(tables=("hit",)).write(tables.chunk(4), tmp_path / "b")


def test_parts_that_differ(tmp_path: Path) -> None:
    chunk = tables.chunk(4)
    SINK.write(chunk, tmp_path / "a")
    SINK.write(chunk.__class__(chunk.source, {**chunk.tables, "hits": chunk.hits.keep("t")}), tmp_path / "b")
    with pytest.raises(FormatError, match="parts differ in hits/dom_id, hits/tot, hits/trig"):
        SINK.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c", "{}")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    chunk = tables.chunk(3)
    with pytest.raises(FormatError, match="no columns to write"):
        SINK.write(Chunk(chunk.source, {}), tmp_path / "a")
    clash = {"events": Table("events", {"hits": np.zeros(3)}), "hits": chunk.hits}
    with pytest.raises(FormatError, match="both called 'hits'"):
        SINK.write(Chunk(chunk.source, clash), tmp_path / "a")
    uneven = {"events": Table("events", {"id": np.zeros(2)}), "hits": chunk.hits}
    with pytest.raises(FormatError, match="'hits' has 3 events, the chunk has 2"):
        SINK.write(Chunk(chunk.source, uneven), tmp_path / "a")


def test_a_foreign_file(tmp_path: Path) -> None:
    ak.to_parquet(ak.Array([{"x": 1}]), str(tmp_path / "a"))
    with pytest.raises(FormatError, match="did not write"):
        SINK.read(tmp_path / "a")


def test_arrow_views_share_memory() -> None:
    chunk = tables.chunk(30)
    arrow = to_arrow(dict(chunk.tables))
    t = arrow.column("hits").chunk(0).values.field("t").to_numpy()
    assert np.shares_memory(t, chunk.hits.flat("t"))
    tables.assert_same(from_arrow(arrow.slice(0)), dict(chunk.tables))


def test_the_fingerprint_holds_what_shapes_the_bytes() -> None:
    assert ParquetSink(name="a").fingerprint() == ParquetSink(name="b").fingerprint()
    assert ParquetSink(level=3).fingerprint() != ParquetSink().fingerprint()
