"""What km3gpu writes as Parquet is, to pyarrow, what pyarrow would have written."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from km3gpu.errors import FormatError
from km3gpu.io import parquet_file
from km3gpu.io.parquet_arrow import to_arrow
from km3gpu.io.parquet_file import write_tables
from km3gpu.io.sink import HashingFile
from km3gpu.table import Ragged, Table, counts_to_offsets

KINDS = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "M8[ns]", "M8[ms]", "m8[us]"]


def written(tables: dict[str, Table], path: Path, compression: str = "zstd") -> pq.ParquetFile:
    """Write, and see that it is read as what was given."""
    with HashingFile(path) as file:
        write_tables(file, tables, {b"a": b"b"}, compression, 1 if compression in ("zstd", "gzip") else None)
    found = pq.ParquetFile(path, page_checksum_verification=True)
    read, want = found.read(), to_arrow(tables).replace_schema_metadata({b"a": b"b"})
    read.validate(full=True)
    assert read.schema.equals(want.schema, check_metadata=True)
    # NaN is no number, but the same bits
    assert [bits(c) for c in read.columns] == [bits(c) for c in want.columns]
    return found


def bits(column: pa.ChunkedArray) -> list[Any]:
    def of(array: pa.Array) -> list[Any]:
        kind = array.type
        if pa.types.is_struct(kind):
            return [of(array.field(i)) for i in range(kind.num_fields)]
        if pa.types.is_large_list(kind):
            return [np.diff(array.offsets).tolist(), of(array.flatten())]
        if pa.types.is_fixed_size_list(kind):
            return [len(array), of(array.flatten())]
        if pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
            return [array.to_pylist()]
        return [array.to_numpy().tobytes()]

    return of(pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))


def by_pyarrow(tables: dict[str, Table]) -> pq.ParquetFile:
    out = io.BytesIO()
    pq.write_table(to_arrow(tables), out)
    return pq.ParquetFile(out)


def events(**columns: Any) -> dict[str, Table]:
    return {"events": Table("events", columns)}


def words(*texts: str) -> Ragged:
    data = [t.encode() for t in texts]
    sizes = np.array([len(d) for d in data], np.int64)
    return Ragged(counts_to_offsets(sizes), np.frombuffer(b"".join(data), np.uint8), text=True)


@st.composite
def numbers(draw: st.DrawFn, n: int) -> np.ndarray:
    """Columns that repeat, run, rise or do neither, of any dtype, with the largest and smallest."""
    kind = np.dtype(draw(st.sampled_from(KINDS)))
    sizes = st.sampled_from([1, 2, 9, max(n, 1)])
    if not n:
        return np.empty(0, kind)
    few = draw(hnp.arrays("i8" if kind.kind in "mM" else kind, draw(sizes)))
    if kind.kind in "mM":
        few = (few >> 8).view(kind)  # Arrow has no NaT
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    how = draw(st.sampled_from(["any", "runs", "sorted"]))
    column = few[rng.integers(0, len(few), n)]
    if how == "runs":
        column = np.repeat(column, rng.integers(1, 40, n))[:n]
    return np.sort(column) if how == "sorted" else column


@st.composite
def column(draw: st.DrawFn, n: int, depth: int = 0) -> Any:
    how = draw(
        st.sampled_from(["numbers", "numbers", "text", "lists", "fixed"] if depth < 2 else ["numbers"])
    )
    if how == "numbers":
        return draw(numbers(n))
    if how == "text":
        known = draw(st.lists(st.text(max_size=5), min_size=1, max_size=4))
        rng = np.random.default_rng(draw(st.integers(0, 9)))
        return words(*(known[i] for i in rng.integers(0, len(known), n)))
    if how == "fixed":
        shape = draw(st.sampled_from([(2,), (3, 2), (1,)]))
        return draw(numbers(n * int(np.prod(shape)))).reshape(n, *shape)
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    offsets = counts_to_offsets(rng.integers(0, 4, n))
    return Ragged(offsets, draw(column(int(offsets[-1]), depth + 1)))


@st.composite
def made(draw: st.DrawFn) -> dict[str, Table]:
    n = draw(st.sampled_from([0, 1, 7, 70, 300]))
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    counts = rng.integers(0, draw(st.sampled_from([1, 2, 9])), n)
    offsets = counts_to_offsets(counts)
    m = int(offsets[-1])
    names = "abc"[: draw(st.integers(1, 3))]
    return {
        "events": Table("events", {f"e{c}": draw(column(n)) for c in names}),
        "hits": Table("hits", {c: draw(column(m)) for c in names}, offsets),
        "about": Table("about", {c: draw(column(n)) for c in names}),
    }


@settings(max_examples=120, deadline=None)
@given(made(), st.sampled_from(["zstd", "zstd", "none", "snappy", "lz4", "gzip"]))
def test_pyarrow_reads_what_it_would_have_written(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Table], compression: str
) -> None:
    ours = written(tables, tmp_path_factory.mktemp("a") / "a", compression)
    theirs = by_pyarrow(tables)
    assert str(ours.schema).split("\n", 1)[1] == str(theirs.schema).split("\n", 1)[1]
    if ours.metadata.num_rows == 0:
        return
    for i in range(ours.metadata.num_columns):
        a, b = (f.metadata.row_group(0).column(i) for f in (ours, theirs))
        assert (a.path_in_schema, a.physical_type, a.num_values) == (
            b.path_in_schema,
            b.physical_type,
            b.num_values,
        )
        if "." not in a.path_in_schema:
            assert a.statistics.null_count == 0
            if a.statistics.has_min_max:
                assert (a.statistics.min, a.statistics.max) == (b.statistics.min, b.statistics.max)
            else:  # of half floats none are told; and there are none of nothing but NaN
                assert a.physical_type == "FIXED_LEN_BYTE_ARRAY" or not b.statistics.has_min_max
        else:
            assert a.statistics is None


RNG = np.random.default_rng(1)
N = 5000
ENCODED: dict[str, tuple[Any, str]] = {
    "identifiers": (RNG.integers(0, 300, N) * 1.5, "RLE_DICTIONARY"),
    "a constant": (np.full(N, 7, "i4"), "RLE_DICTIONARY"),
    "times": (RNG.normal(1e8, 1e3, N), "BYTE_STREAM_SPLIT"),
    "times, short": (RNG.normal(size=N).astype("f4"), "BYTE_STREAM_SPLIT"),
    "ticks": (RNG.integers(0, 2**32, N).astype("u4"), "DELTA_BINARY_PACKED"),
    "masks": (RNG.integers(0, 2**64, N, dtype="u8"), "DELTA_BINARY_PACKED"),
    "sorted identifiers": (np.sort(RNG.integers(0, 900, N)), "DELTA_BINARY_PACKED"),
    "extremes": (np.where(RNG.random(N) < 0.5, -(2**63), 2**63 - 1) + np.arange(N), "DELTA_BINARY_PACKED"),
    "extremes, short": (
        (np.where(RNG.random(N) < 0.5, -(2**31), 2**31 - N) + np.arange(N)).astype("i4"),
        "DELTA_BINARY_PACKED",
    ),
    "few": (RNG.normal(size=60), "PLAIN"),
    "flags": (RNG.random(N) < 0.1, "PLAIN"),
    "words": (words(*(("km3", "σ", "")[i] for i in RNG.integers(0, 3, N))), "RLE_DICTIONARY"),
    "names": (words(*map(str, range(N))), "PLAIN"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encodings(tmp_path: Path, name: str) -> None:
    values, encoding = ENCODED[name]
    about = written(events(x=values), tmp_path / "a").metadata.row_group(0).column(0)
    assert encoding in about.encodings
    assert about.total_compressed_size == (tmp_path / "a").read_bytes().find(b"\x15\x04\x19") - 4
    # not larger than what pyarrow makes of it with its defaults
    theirs = pq.ParquetFile(io.BytesIO(_default(to_arrow(events(x=values))))).metadata.row_group(0).column(0)
    assert about.total_compressed_size < 1.02 * theirs.total_compressed_size + 20


def _default(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", compression_level=1)
    return out.getvalue()


def test_what_does_not_shrink_is_stored_as_it_is(tmp_path: Path) -> None:
    noise = RNG.integers(0, 2**63, N)
    about = written(events(x=noise, y=noise // 2**40), tmp_path / "a").metadata.row_group(0)
    assert about.column(0).compression == "UNCOMPRESSED"
    theirs = written(events(x=np.arange(N) % 7 * 1.0), tmp_path / "b").metadata.row_group(0).column(0)
    assert theirs.compression == "ZSTD"


def test_row_groups_are_even_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = counts_to_offsets(RNG.integers(0, 9, 500))
    n = int(offsets[-1])
    edges = counts_to_offsets(RNG.integers(0, 3, n))
    inner = Ragged(edges, RNG.normal(size=int(edges[-1])))
    tables = {
        **events(x=np.arange(500), name=words(*map(str, range(500))), m=RNG.normal(size=(500, 2, 3))),
        "hits": Table(
            "hits", {"t": RNG.normal(size=n), "w": inner, "s": words(*map(str, range(n)))}, offsets
        ),
    }
    size = sum(t.nbytes for t in tables.values())
    monkeypatch.setattr(parquet_file, "_GROUP", size / 7.2)
    file = written(tables, tmp_path / "a")
    rows = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert len(rows) == 7
    assert max(rows) - min(rows) <= 1
    monkeypatch.setattr(parquet_file, "_GROUP", 1.0)
    assert written(tables, tmp_path / "b").num_row_groups == 500


def test_a_page_that_was_damaged_is_found(tmp_path: Path) -> None:
    written(events(x=RNG.normal(size=N), y=np.arange(N) % 5), tmp_path / "a")
    data = bytearray((tmp_path / "a").read_bytes())
    about = pq.ParquetFile(tmp_path / "a").metadata.row_group(0).column(1)
    for at in (about.dictionary_page_offset + 40, about.data_page_offset + 60, 3000):
        data[at] ^= 4
        (tmp_path / "b").write_bytes(data)
        with pytest.raises(OSError, match="CRC"):
            pq.ParquetFile(tmp_path / "b", page_checksum_verification=True).read()
        data[at] ^= 4


def test_columns_that_parquet_does_not_have(tmp_path: Path) -> None:
    for values in (np.zeros(3, "c16"), np.array(["a"]), np.zeros(2, np.longdouble)):
        with (
            pytest.raises(FormatError, match=r"Parquet has no column of .*events/x.*plain numbers"),
            HashingFile(tmp_path / "a") as file,
        ):
            write_tables(file, events(x=values), {}, "zstd", 1)


def test_bytes_of_the_other_order_and_views(tmp_path: Path) -> None:
    wide = np.arange(400, dtype=">f8").reshape(200, 2)
    with HashingFile(tmp_path / "a") as file:
        write_tables(file, events(x=wide[:, 0], y=np.arange(400)[::-2]), {}, "none", None)
    read = pq.read_table(tmp_path / "a")
    assert read["x"].to_pylist() == list(range(0, 400, 2))
    assert read["y"].to_pylist() == list(range(399, 0, -2))
