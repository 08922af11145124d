from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import FormatError, TruncatedFileError
from km3gpu.io import thrift
from km3gpu.io.parquet_file import with_types
from km3gpu.io.rowgroups import RowGroups
from km3gpu.io.sink import HashingFile


def table(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    lists = [rng.integers(0, 9, rng.integers(0, 4)).tolist() for _ in range(n)]
    return pa.table(
        {"a": rng.integers(0, 5, n), "b": rng.normal(size=n), "c": lists, "d": [str(x) for x in range(n)]},
        schema=pa.schema(
            [("a", "int32"), ("b", "f8"), ("c", pa.large_list(pa.int64())), ("d", "large_string")]
        ),
    )


def merged(parts: list[Path], out: Path, schema: pa.Schema) -> None:
    with HashingFile(out) as file:
        groups = RowGroups(file)
        for part in parts:
            groups.append(part, lambda metadata: None)
        groups.finish(with_types(schema, schema.metadata or {}))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"compression": "zstd", "use_dictionary": False},
    {"write_page_index": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_file_of_copied_row_groups_is_read_as_any_other(tmp_path: Path, options: dict[str, Any]) -> None:
    tables = [table(n, i) for i, n in enumerate((100, 0, 7, 1))]
    parts = [tmp_path / f"{i}" for i in range(4)]
    for t, part in zip(tables, parts, strict=True):
        pq.write_table(t, part, row_group_size=30, **options)
    schema = tables[0].schema.with_metadata({"told": "by us"})
    merged(parts, tmp_path / "out", schema)
    with pq.ParquetFile(tmp_path / "out") as file:
        assert file.schema_arrow.metadata[b"told"] == b"by us"
        assert file.read().replace_schema_metadata() == pa.concat_tables(tables)
        about = file.metadata
        originals = [pq.ParquetFile(p).metadata for p in parts]
        groups = [(m, i) for m in originals for i in range(m.num_row_groups)]
        assert about.num_rows == 108
        assert about.num_row_groups == len(groups)
        for i, (m, k) in enumerate(groups):
            assert about.row_group(i).num_rows == m.row_group(k).num_rows
            one, other = about.row_group(i).column(1), m.row_group(k).column(1)
            assert one.statistics == other.statistics
            assert one.total_compressed_size == other.total_compressed_size
        if tables[0].num_rows:  # one row group and column alone
            assert file.read_row_group(2, ["b"])["b"].to_pylist() == tables[0]["b"].to_pylist()[60:90]


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    a, b, c = (tmp_path / n for n in "abc")
    pq.write_table(table(3, 0), a)
    pq.write_table(pa.table({"z": [1]}), b)
    c.write_bytes(a.read_bytes()[:-9])
    schema = table(3, 0).schema
    with pytest.raises(FormatError, match="parts differ in their columns"):
        merged([a, b], tmp_path / "out", schema)
    with pytest.raises(TruncatedFileError, match="no whole Parquet file"):
        merged([a, c], tmp_path / "out", schema)


def test_damage_is_an_error_of_ours(tmp_path: Path) -> None:
    pq.write_table(table(50, 0), tmp_path / "a")
    good = (tmp_path / "a").read_bytes()
    rng = random.Random(1)
    for _ in range(100):
        data = bytearray(good)
        for _ in range(3):
            data[rng.randrange(len(good) - 400, len(good))] ^= 1 << rng.randrange(8)
        (tmp_path / "b").write_bytes(data)
        try:
            merged([tmp_path / "b"], tmp_path / "out", table(1, 0).schema)
        except FormatError:
            continue


VALUES = st.deferred(lambda: st.one_of(*(st.tuples(st.just(k), v) for k, v in KINDS.items())))
STRUCTS = st.dictionaries(st.integers(1, 300), VALUES, max_size=4)
KINDS: dict[int, st.SearchStrategy[Any]] = {
    1: st.none(),
    2: st.none(),
    3: st.integers(0, 255),
    5: st.integers(-(2**31), 2**31 - 1),
    6: st.integers(-(2**63), 2**63 - 1),
    7: st.floats(allow_nan=False),
    8: st.binary(max_size=20),
    9: st.one_of(
        st.tuples(st.just(6), st.lists(st.integers(-9, 9), max_size=20)),
        st.tuples(st.just(12), st.lists(STRUCTS, max_size=3)),
    ),
    11: st.tuples(st.just(0x86), st.lists(st.tuples(st.binary(max_size=3), st.integers(-9, 9)), min_size=1)),
    12: STRUCTS,
}  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(STRUCTS)
def test_structures_come_back(value: thrift.Struct) -> None:
    assert thrift.loads(thrift.dumps(value)) == value


def test_footers_of_pyarrow_come_back_byte_for_byte(tmp_path: Path) -> None:
    pq.write_table(table(1000, 3), tmp_path / "a", row_group_size=50, write_page_index=True)
    data = (tmp_path / "a").read_bytes()
    n = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - n : -8]
    assert thrift.dumps(thrift.loads(footer)) == footer
