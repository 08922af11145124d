"""Writing km3pipe's HDF5: read back by ourselves, and laid out as km3pipe's own files are."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import km3gpu
from km3gpu.errors import FormatError
from km3gpu.io.km3pipe import Km3PipeSink, with_trigger_bits
from km3gpu.io.sink import Sink

OFFLINE = "offline/km3net_offline.root"
DAQ = "online/events_sample.root"
WITHOUT_LISTS = {
    "events": ("id", "run_id", "det_id", "frame_index", "time_ns"),
    "hits": ("dom_id", "channel_id", "t", "tot", "trig"),
    "tracks": ("pos_x", "dir_z", "t", "E", "len", "lik", "rec_type", "fitinf", "rec_stages"),
}


@pytest.fixture
def written(data, tmp_path):
    """Write a file in parts and merge them."""

    def write(name, **options):
        sink, parts = Km3PipeSink(), []
        for i, chunk in enumerate(km3gpu.open(data / name).chunks(4, backend="cpu", **options)):
            parts.append(tmp_path / f"{i}.h5")
            sink.write(chunk, parts[-1])
        part = sink.merge(parts, tmp_path / "merged.h5", '{"run": 1}')
        return tmp_path / "merged.h5", part

    return write


def test_daq_events(written, data):
    path, part = written(DAQ)
    assert part.rows == {"events": 10, "hits": 1078, "triggered_hits": 352}
    assert part.bytes == path.stat().st_size
    ours = km3gpu.open(path).read(backend="cpu")
    source = km3gpu.open(data / DAQ).read(backend="cpu")
    assert np.array_equal(ours.hits.offsets, source.hits.offsets)
    assert np.array_equal(ours.hits.flat("t"), source.hits.flat("tdc"))
    assert np.array_equal(ours.events.flat("time_ns"), source.events.flat("time_ns"))
    assert np.array_equal(ours.triggered_hits.flat("trig"), source.triggered_hits.flat("trig"))


def test_the_same_as_km3pipe_wrote_of_the_same_events(written, data):
    path, _ = written(DAQ)
    with h5py.File(path) as ours, h5py.File(data / "online/events_sample.h5") as theirs:
        for name in ("dom_id", "channel_id", "time", "tot", "group_id"):
            assert np.array_equal(ours[f"hits/{name}"][()], theirs[f"hits/{name}"][()]), name
        assert np.array_equal(ours["hits/_indices"][()], theirs["hits/_indices"][()])
        assert np.array_equal(ours["hits/triggered"][()] != 0, theirs["hits/triggered"][()] != 0)
        for name in ("timestamp", "nanoseconds", "frame_index", "trigger_mask", "group_id"):
            assert np.array_equal(ours["event_info"][name], theirs["event_info"][name]), name
        assert np.array_equal(ours["group_info"]["group_id"], theirs["group_info"]["group_id"])
        assert ours.attrs["format_version"] == b"5.1"


def test_offline_events(written, data):
    path, _ = written(OFFLINE, columns=WITHOUT_LISTS)
    ours = km3gpu.open(path).read(backend="cpu")
    source = km3gpu.open(data / OFFLINE).read(backend="cpu")
    for column in ("pos_x", "dir_z", "t", "E", "len", "lik", "rec_type"):
        assert np.array_equal(ours.tracks.flat(column), source.tracks.flat(column)), column
    lists = source.tracks.flat("fitinf")
    chi2 = ours.tracks.flat("JGANDALF_CHI2")
    assert np.array_equal(np.isnan(chi2), np.diff(lists.offsets) <= 2)
    assert chi2[0] == source.tracks.fitinf[0, 0, 2]
    stages = ours.reco_rec_stages
    assert len(stages) == len(source.tracks.flat("rec_stages").content)
    first = stages.to_awkward()[0]
    assert first.rec_stage[first.idx == 0].to_list() == source.tracks.rec_stages[0, 0].to_list()
    with h5py.File(path) as f:
        assert bytes(f["provenance"][()]) == b'{"run": 1}'


def test_a_list_without_a_place_is_refused(data, tmp_path):
    chunk = km3gpu.open(data / OFFLINE).read("tracks", backend="cpu")
    with pytest.raises(FormatError, match=r"no place for the lists .*hit_ids.* of table 'tracks'"):
        Km3PipeSink().write(chunk, tmp_path / "x.h5")


def test_trigger_bits_are_those_of_the_same_hit(data):
    chunk = km3gpu.open(data / DAQ).read(backend="cpu")
    hits = with_trigger_bits(chunk.hits, chunk.triggered_hits)
    key = ("dom_id", "channel_id", "tdc", "tot")
    for e in (0, 4, 9):
        wanted: dict[tuple[int, ...], int] = {}
        for h in chunk.triggered_hits.to_awkward()[e].to_list():
            wanted[tuple(h[c] for c in key)] = wanted.get(tuple(h[c] for c in key), 0) | h["trig"]
        for h in hits.to_awkward()[e].to_list():
            assert h["trig"] == wanted.get(tuple(h[c] for c in key), 0)
    assert (hits.flat("trig") != 0).sum() >= len(chunk.triggered_hits)


def test_it_is_a_sink():
    sink = Km3PipeSink(level=3)
    assert isinstance(sink, Sink)
    assert (sink.format, sink.suffix) == ("km3pipe", ".h5")
    assert sink.fingerprint() != Km3PipeSink().fingerprint()


def test_the_same_rows_give_the_same_bytes(written, tmp_path):
    _, first = written(DAQ)
    _, second = written(DAQ)
    assert first.digest == second.digest
