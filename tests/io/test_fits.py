"""FITS: written, merged, read back by us and by astropy; the same bytes; damaged."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table as AstropyTable
from hypothesis import given
from hypothesis import strategies as st

import km3gpu
from km3gpu.chunk import Chunk, Origin, file_digest
from km3gpu.errors import FormatError, Km3GpuError
from km3gpu.io.fits import FitsSink
from km3gpu.io.fitstext import escaped, unescaped
from km3gpu.pipeline import provenance
from km3gpu.pipeline.merge import concatenate
from km3gpu.table import Ragged, Table, counts_to_offsets

from . import tables

SINK = FitsSink()


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """Four parts put together, and the chunks that they are of."""
    folder = tmp_path_factory.mktemp("fits")
    chunks = [tables.chunk(n, seed=n) for n in (5, 0, 30, 1)]
    parts = []
    for i, chunk in enumerate(chunks):
        parts.append(folder / f"{i}.fits")
        SINK.write(chunk, parts[-1])
    part = SINK.merge(parts, folder / "all.fits", '{"who": "\\u03c3"}')
    assert part.digest == file_digest(str(folder / "all.fits"))
    assert part.rows == {t: sum(len(c.tables[t]) for c in chunks) for t in ("events", "hits", "tracks")}
    whole = {n: concatenate([c.tables[n] for c in chunks]) for n in chunks[0].tables}
    return folder / "all.fits", whole


@pytest.mark.parametrize("n", [0, 1, 57])
def test_what_is_written_is_read_back(tmp_path: Path, n: int) -> None:
    chunk = tables.chunk(n)
    part = SINK.write(chunk, tmp_path / "a.fits")
    assert part.rows == {name: len(t) for name, t in chunk.tables.items()}
    assert part.digest == file_digest(str(tmp_path / "a.fits"))
    assert part.bytes == (tmp_path / "a.fits").stat().st_size
    assert part.bytes % 2880 == 0
    tables.assert_same(SINK.read(tmp_path / "a.fits"), dict(chunk.tables))
    SINK.write(chunk, tmp_path / "b.fits")
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_merging_is_writing_all_at_once(merged):
    path, whole = merged
    tables.assert_same(SINK.read(path), whole)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"])
def test_every_kind_of_number_as_astropy_reads_it(tmp_path, kind):
    rng = np.random.default_rng(3)
    values = rng.integers(0, 256, 64 * np.dtype(kind).itemsize, dtype="u1").view(
        kind if kind != "b1" else "u1"
    )
    values = (values & 1).astype(bool) if kind == "b1" else values
    values = np.nan_to_num(values, nan=1.5) if kind[0] == "f" else values
    lists = Ragged(counts_to_offsets(np.full(32, 2)), values)
    columns = {
        "fixed": values[:32],
        "pair": values.reshape(32, 2),
        "one": values[:32].reshape(32, 1),
        "list": lists,
    }
    chunk = Chunk(Origin("x", "offline", "E", 0, 32), {"events": Table("events", columns)})
    SINK.write(chunk, tmp_path / "a.fits")
    tables.assert_same(SINK.read(tmp_path / "a.fits"), dict(chunk.tables))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(tmp_path / "a.fits") as hdus:
            hdus.verify("exception")
            data = hdus["events"].data
            assert np.array_equal(data["fixed"], values[:32])
            assert np.array_equal(data["pair"], values.reshape(32, 2))
            if (kind[0] == "u" and kind != "u1") or kind == "i1":
                assert np.array_equal(hdus["events/list"].data["value"], values)
            else:
                assert [x.tolist() for x in data["list"]] == values.reshape(32, 2).tolist()


def test_a_person_reads_it_with_astropy(merged):
    path, whole = merged
    hits = AstropyTable.read(path, hdu="hits")
    assert str(hits["t"].unit) == "ns"
    assert np.array_equal(np.bincount(hits["event_row"], minlength=36), whole["hits"].counts)
    assert np.array_equal(hits["trig"], whole["hits"].flat("trig"))
    with fits.open(path) as hdus:
        assert [h.name for h in hdus[1:]] == [
            "schema", "events", "hits", "tracks", "tracks/usr_names", "provenance",
        ]  # fmt: skip
        assert hdus["hits"].header["TCOMM2"].startswith("Calibrated hit time")
        assert hdus["provenance"].data["json"][0] == '{"who": "\\u03c3"}'
        lists = whole["tracks"].flat("rec_stages")
        assert [len(x) for x in hdus["tracks"].data["rec_stages"]] == np.diff(lists.offsets).tolist()


def test_any_range_of_events(merged):
    path, whole = merged
    source = km3gpu.open(path)
    assert (source.kind, source.n_events) == ("tables", 36)
    for start, stop in [(0, 36), (0, 0), (4, 7), (5, 5), (35, 36), (11, 30)]:
        got = source.read(entries=(start, stop))
        for name, table in whole.items():
            want = table.take_events(np.arange(start, stop))
            for column in table.columns:
                assert tables.same(got.tables[name].flat(column), want.flat(column)), (name, column)
            if table.offsets is not None:
                assert np.array_equal(got.tables[name].offsets, want.offsets)
    some = source.read(columns=["tracks/usr_names", "hits/t"], entries=(3, 9))
    assert some.tracks.columns == ("usr_names",) or list(some.tracks.columns) == ["usr_names"]
    assert len(list(source.chunks(10))) == 4


def test_a_plan_writes_fits_with_its_record(tmp_path):
    (tmp_path / "plan.toml").write_text(
        '[source]\nfiles = ["testdata:online/KM3NeT_00000133_JDAQEvent.root"]\nchunk = 3\n'
        '[[sink]]\nformat = "fits"\n[[sink]]\nformat = "parquet"\n'
    )
    run = km3gpu.run(tmp_path / "plan.toml", out=tmp_path / "out")
    one, other = (km3gpu.open(p).read() for p in run.outputs)
    assert set(one.tables) == set(other.tables)
    for name, table in one.tables.items():
        for column in table.columns:
            assert tables.same(table.flat(column), other.tables[name].flat(column))
    record = provenance.read(run.outputs[0])
    assert record["plan"] == run.plan.id
    assert len(record["chunks"]) == 4
    # as one chunk, and cut in other places: the same rows
    again = km3gpu.run(tmp_path / "plan.toml", out=tmp_path / "again", chunk=7)
    third = km3gpu.open(again.outputs[0]).read()
    assert np.array_equal(third.hits.flat("tdc"), one.hits.flat("tdc"))


@given(st.lists(st.binary(max_size=12)))
def test_texts_of_any_bytes(words):
    offsets = counts_to_offsets(np.array([len(w) for w in words], dtype=np.int64))
    texts = Ragged(offsets, np.frombuffer(b"".join(words), np.uint8), text=True)
    there = escaped(texts)
    assert all(0x20 <= b <= 0x7E for b in there.content.tolist())
    assert tables.same(unescaped(there), texts)


def test_columns_that_fits_cannot_tell_apart(tmp_path):
    chunk = Chunk(
        Origin("x", "offline", "E", 0, 1), {"events": Table("events", {"E": np.ones(1), "e": np.ones(1)})}
    )
    with pytest.raises(FormatError, match="two columns"):
        SINK.write(chunk, tmp_path / "a.fits")


def test_files_of_others_are_told(tmp_path):
    fits.PrimaryHDU(np.zeros((3, 3))).writeto(tmp_path / "image.fits")
    with pytest.raises(FormatError, match=r"km3gpu did not write.*no binary tables.*astropy"):
        km3gpu.open(tmp_path / "image.fits").kind  # noqa: B018 - it is opened where it is used
    AstropyTable({"x": [1, 2], "name": ["a", "b"]}).write(tmp_path / "table.fits")
    with pytest.raises(FormatError, match="km3gpu did not write"):
        km3gpu.open(tmp_path / "table.fits").kind  # noqa: B018


def test_damage_is_an_error_of_ours_or_harmless(merged, tmp_path):
    path, _ = merged
    data = path.read_bytes()
    rng = random.Random(7)
    cuts = [data[:n] for n in [9, 80, 2880, 5000, *range(2880, len(data), 2880), len(data) - 1]]
    flips = []
    for _ in range(150):
        copy = bytearray(data)
        copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        flips.append(bytes(copy))
    refused = 0
    for i, bad in enumerate([*cuts, *flips]):
        (tmp_path / "bad.fits").write_bytes(bad)
        try:
            km3gpu.open(tmp_path / "bad.fits").read()
        except Km3GpuError:
            refused += 1
        else:
            assert i >= len(cuts) - 1 or len(bad) % 2880 == 0
    assert refused >= len(cuts) - 3
