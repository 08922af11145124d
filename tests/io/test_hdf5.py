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
from km3gpu.io.hdf5 import HDF5Sink

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
