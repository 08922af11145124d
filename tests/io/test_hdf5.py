from __future__ import annotations

import subprocess
import time
from itertools import pairwise
from pathlib import Path

import awkward as ak
import h5py
import numpy as np
import pytest

from km3gpu.chunk import Chunk, file_digest
from km3gpu.errors import FormatError
from km3gpu.io import pieces
from km3gpu.io.hdf5 import HDF5Sink
from km3gpu.table import Table

from . import tables

SINK = HDF5Sink()


@pytest.mark.parametrize("n", [0, 1, 57])
def test_what_is_written_is_read_back(tmp_path: Path, n: int) -> None:
    chunk = tables.chunk(n)
    part = SINK.write(chunk, tmp_path / "a.h5")
    assert part.rows == {name: len(t) for name, t in chunk.tables.items()}
    assert part.bytes == (tmp_path / "a.h5").stat().st_size
    assert part.digest == file_digest(str(tmp_path / "a.h5"))
    tables.assert_same(SINK.read(tmp_path / "a.h5"), dict(chunk.tables))


@pytest.mark.parametrize("compression", ["gzip", "lzf", "none"])
def test_merging_is_reading_one_after_the_other(tmp_path: Path, compression: str) -> None:
    sink = HDF5Sink(compression=compression)
    chunks = [tables.chunk(n, seed=n) for n in (5, 0, 30, 1)]
    parts = []
    for i, chunk in enumerate(chunks):
        parts.append(tmp_path / f"{i}.h5")
        sink.write(chunk, parts[-1])
    part = sink.merge(parts, tmp_path / "all.h5", '{"who": "σ"}')
    assert part.digest == file_digest(str(tmp_path / "all.h5"))
    merged = sink.read(tmp_path / "all.h5")
    for name, table in merged.items():
        assert part.rows[name] == len(table) == sum(len(c.tables[name]) for c in chunks)
        together = ak.concatenate([c.tables[name].to_awkward() for c in chunks])
        assert ak.to_list(table.to_awkward()) == ak.to_list(together)
    assert merged["hits"].attrs == {"calibration": "sha256:ab"}
    with h5py.File(tmp_path / "all.h5") as file:
        assert file["provenance"][()].decode() == '{"who": "σ"}'


def test_layout_for_any_reader(tmp_path: Path) -> None:
    chunk = tables.chunk(9)
    SINK.write(chunk, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        offsets, t = file["hits/offsets"][()], file["hits/t"][()]
        assert offsets.dtype == np.int64
        assert [list(t[a:b]) for a, b in pairwise(offsets)] == ak.to_list(chunk.hits.t)
        assert file["hits/t"].attrs["unit"] == "ns"
        assert file["hits/trig"].dtype == np.uint64
        assert file["hits"].attrs["calibration"] == "sha256:ab"


def test_large_columns_cross_the_borders_of_hdf5_chunks(tmp_path: Path) -> None:
    chunks = [tables.chunk(n, seed=n) for n in (30_000, 40_000, 3)]
    parts = []
    for i, chunk in enumerate(chunks):
        parts.append(tmp_path / f"{i}.h5")
        SINK.write(chunk, parts[-1])
    SINK.merge(parts, tmp_path / "all.h5", "{}")
    merged = SINK.read(tmp_path / "all.h5")
    assert np.array_equal(merged["hits"].flat("t"), np.concatenate([c.hits.flat("t") for c in chunks]))
    assert merged["hits"].counts.tolist() == [n for c in chunks for n in c.hits.counts.tolist()]
    sizes = [(p.stat().st_size) for p in parts]
    assert (tmp_path / "all.h5").stat().st_size < sum(sizes)


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        SINK.write(tables.chunk(20), tmp_path / name)
        SINK.merge([tmp_path / name, tmp_path / name], tmp_path / f"{name}{name}", "{}")
        time.sleep(1.1)  # HDF5 keeps times in seconds, where it keeps them
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "aa").read_bytes() == (tmp_path / "bb").read_bytes()


def test_a_long_record_and_a_long_schema(tmp_path: Path) -> None:
    SINK.write(tables.chunk(3), tmp_path / "a")
    SINK.merge([tmp_path / "a"], tmp_path / "b", "x" * 200_000)
    with h5py.File(tmp_path / "b") as file:
        assert len(file["provenance"][()]) == 200_000


def test_parts_that_differ(tmp_path: Path) -> None:
    chunk = tables.chunk(4)
    SINK.write(chunk, tmp_path / "a")
    SINK.write(Chunk(chunk.source, {**chunk.tables, "hits": chunk.hits.keep("t")}), tmp_path / "b")
    with pytest.raises(FormatError, match="parts differ in hits/dom_id, hits/tot, hits/trig"):
        SINK.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c", "{}")


def test_a_foreign_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a", "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="did not write"):
        SINK.read(tmp_path / "a")


def test_full_disk_is_not_hidden_by_hdf5(tmp_path: Path) -> None:
    assert subprocess.run(["test", "-w", "/dev/full"]).returncode == 0
    with pytest.raises(OSError, match="No space left on device") as error:
        SINK.write(tables.chunk(4), Path("/dev/full"))
    assert error.value.errno == 28


def flat_chunk(rng: np.random.Generator, n: int) -> Chunk:
    """Make a chunk of one event with columns of every width, some whose values come again."""
    dom = rng.integers(1, 40, n).astype(np.int32)
    columns = {
        "dom_id": dom,
        "tot": rng.integers(0, 256, n).astype(np.uint8),
        "trig": rng.integers(0, 2, n).astype(bool),
        "t": np.cumsum(rng.exponential(100.0, n)) + 1e8,
        "pos_x": rng.normal(size=64)[dom],
        "matrix": rng.integers(0, 9, (n, 2, 3)).astype(np.int16),
    }
    origin = tables.chunk(1).source
    return Chunk(
        origin,
        {
            "events": Table("events", {"n_hits": np.array([n])}),
            "hits": Table("hits", columns, np.array([0, n])),
        },
    )


@pytest.mark.parametrize("level", [1, 5])
def test_merged_columns_hold_the_rows_of_parts_of_any_size(tmp_path: Path, level: int) -> None:
    """Rows in the order of the parts, for h5py and the filters that come with HDF5."""
    rng = np.random.default_rng(level)
    sink = HDF5Sink(level=level)
    # below and above what is compressed in a part, on and off the edges of chunks and pieces
    chunks = [flat_chunk(rng, n) for n in (65536, 8192, 3, 150_001, 0, 40_000, 1, 8191, 70_000)]
    parts = [tmp_path / f"{i}.h5" for i in range(len(chunks))]
    for chunk, part in zip(chunks, parts, strict=True):
        sink.write(chunk, part)
        tables.assert_same(sink.read(part), dict(chunk.tables))
    merged = sink.merge(parts, tmp_path / "all.h5", "{}")
    n = sum(len(c.hits) for c in chunks)
    assert merged.rows == {"events": len(chunks), "hits": n}
    with h5py.File(tmp_path / "all.h5") as file:
        assert set(file) == {"events", "hits", "provenance", "schema"}
        for name, dataset in file["hits"].items():
            counts = [len(c.hits) for c in chunks]
            ends = np.cumsum([0, *counts])
            expected = ends if name == "offsets" else np.concatenate([c.hits.flat(name) for c in chunks])
            assert dataset.dtype == expected.dtype
            assert np.array_equal(dataset[()], expected)
            assert dataset.compression == "gzip"
        assert file["hits/t"].shuffle
        assert not file["hits/pos_x"].shuffle
        assert file["hits/t"].attrs["unit"] == "ns"
        assert not file["hits/t"].attrs.get("pieces")


def test_parts_may_be_compressed_in_other_ways(tmp_path: Path) -> None:
    """Values that come again in one part and not in the next."""
    rng = np.random.default_rng(4)
    n = 100_000
    same, other = np.repeat(1e9 + rng.normal(size=50), n // 50), np.cumsum(rng.exponential(size=n)) + 1e9
    parts = []
    for i, t in enumerate((same[rng.permutation(n)], other)):
        table = Table("hits", {"t": t}, np.array([0, n]))
        parts.append(tmp_path / f"{i}.h5")
        SINK.write(Chunk(tables.chunk(1).source, {"hits": table}), parts[-1])
    filters = []
    for part in parts:
        with h5py.File(part) as file:
            filters.append(file["hits/t"].shuffle)
    assert filters == [False, True]
    for order in (parts, parts[::-1]):
        SINK.merge(order, tmp_path / "all.h5", "{}")
        expected = np.concatenate([SINK.read(p)["hits"].flat("t") for p in order])
        assert np.array_equal(SINK.read(tmp_path / "all.h5")["hits"].flat("t"), expected)


def test_merging_moves_most_bytes_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    parts = [tmp_path / f"{i}.h5" for i in range(4)]
    for part in parts:
        SINK.write(flat_chunk(rng, 200_000), part)
    seen = []
    plain = pieces._compressed

    def counted(datas: list[memoryview], level: int) -> list[pieces.Piece]:
        seen.extend(map(len, datas))
        return plain(datas, level)

    monkeypatch.setattr(pieces, "_compressed", counted)
    part = SINK.merge(parts, tmp_path / "all.h5", "{}")
    bytes_of_a_row = 4 + 1 + 1 + 8 + 8 + 12
    assert 0 < sum(seen) < 0.25 * part.rows["hits"] * bytes_of_a_row
