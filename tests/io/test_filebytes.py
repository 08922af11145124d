"""Files by URL: the same data as by path, fetched in blocks."""

from __future__ import annotations

import fsspec
import numpy as np
import pytest

import km3gpu
from km3gpu.chunk import file_digest
from km3gpu.errors import FormatError, InputNotFoundError, MissingExtraError
from km3gpu.io.filebytes import file_bytes, is_url, map_file
from km3gpu.io.parquet import ParquetSink
from km3gpu.io.paths import resolve

FILES = (
    "offline/km3net_offline.root",
    "online/KM3NeT_00000267_00025291_SN.root",
    "evt/KM3Sim.evt",
    "daq/IO_EVT.dat",
    "daq/clb.dqd",
    "hdf5/test_event_info.h5",
    "acoustics/DOM_808956920_CH1_1608751683.bin",
)


@pytest.fixture
def memory(data):
    """A file system in memory with some of the files."""
    fs = fsspec.filesystem("memory")
    for name in FILES:
        fs.pipe(f"/km3/{name}", (data / name).read_bytes())
    yield fs
    fs.rm("/km3", recursive=True)


@pytest.mark.parametrize("name", FILES)
def test_a_url_is_read_as_the_file_is(memory, data, name):
    ours = km3gpu.open(f"memory:///km3/{name}").read(backend="cpu")
    theirs = km3gpu.open(data / name).read(backend="cpu")
    assert ours.source.kind == theirs.source.kind
    for table, made in theirs.tables.items():
        for column in made.columns:
            assert getattr(ours.tables[table], column).to_list() == getattr(made, column).to_list() or (
                np.isnan(np.asarray(made.flat(column), float)).any()
            )
    assert ours.source.with_digest().digest == theirs.source.with_digest().digest


def test_file_urls_and_parquet(data, tmp_path):
    url = (data / FILES[0]).as_uri()
    assert url.startswith("file:///")
    source = km3gpu.open(url)
    assert source.n_events == 10
    assert source.digest == file_digest(str(data / FILES[0]))
    ParquetSink().write(source.read(backend="cpu"), tmp_path / "x.parquet")
    again = km3gpu.open((tmp_path / "x.parquet").as_uri())
    assert again.read("hits", backend="cpu").hits.flat("t").shape == (1434,)


def test_stars_in_a_url(memory):
    assert resolve("memory://km3/offline/*.root") == ("memory:///km3/offline/km3net_offline.root",)
    assert len(resolve("memory://km3/o*/*.root")) == 2
    with pytest.raises(InputNotFoundError, match="no file matches"):
        resolve("memory://km3/*.nothing")


def test_only_the_blocks_that_are_needed_are_fetched(memory, monkeypatch):
    fetched = []
    original = type(memory).cat_file
    monkeypatch.setattr(
        "km3gpu.io.filebytes._Remote.span",
        lambda self, start, n: (
            fetched.append(n) or memoryview(original(memory, "/km3/" + FILES[1], start, start + n))
        ),
    )
    source = km3gpu.open(f"memory:///km3/{FILES[1]}")
    source.read("events", backend="cpu")
    assert sum(fetched) < 200_000


@pytest.mark.parametrize("url", ["memory:///km3/nothing.root", "file:///nowhere/x.root"])
def test_a_url_that_is_not_there(memory, url):
    with pytest.raises(InputNotFoundError, match="no file"):
        km3gpu.open(url)
    with pytest.raises(InputNotFoundError, match="no file"):
        file_digest(url)


def test_a_scheme_that_needs_a_package(monkeypatch):
    with pytest.raises(MissingExtraError, match="nosuch:// cannot be read"):
        km3gpu.open("nosuch://host/x.root")

    def missing(url):
        raise ImportError("no module named fsspec_xrootd")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingExtraError, match=r"root:// cannot be read.*pip install 'km3gpu\[xrootd\]'"):
        km3gpu.open("root://host//x.root")


def test_a_damaged_file_behind_a_url(memory, data):
    memory.pipe("/km3/cut.root", (data / FILES[0]).read_bytes()[:5000])
    with pytest.raises(FormatError, match=r"memory:///km3/cut\.root"):
        km3gpu.open("memory:///km3/cut.root")


def test_what_is_a_url():
    assert is_url("root://host//a.root")
    assert is_url("s3://bucket/a")
    assert not is_url("/data/a.root")
    assert not is_url("C:/data/a.root")
    assert not is_url("testdata:offline/a.root")


def test_bytes_of_an_empty_file(tmp_path):
    (tmp_path / "x").touch()
    assert len(map_file(str(tmp_path / "x"))) == 0
    assert file_bytes(str(tmp_path / "x")).size == 0
