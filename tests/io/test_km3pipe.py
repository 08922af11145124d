"""Writing km3pipe's HDF5: read back by ourselves, and laid out as km3pipe's own files are."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import km3gpu
from km3gpu.chunk import Origin
from km3gpu.definitions import W2ListGseagen
from km3gpu.errors import FormatError
from km3gpu.io.fields import user_values, w2list
from km3gpu.io.km3pipe import Km3PipeSink
from km3gpu.io.km3pipe_layout import READS, with_trigger_bits
from km3gpu.io.sink import Sink
from km3gpu.pipeline import merge
from km3gpu.table import Table

OFFLINE = "offline/km3net_offline.root"
DAQ = "online/events_sample.root"
MC = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
WITHOUT_LISTS = {
    "events": ("id", "run_id", "det_id", "frame_index", "time_ns"),
    "hits": ("dom_id", "channel_id", "t", "tot", "trig"),
    "tracks": ("pos_x", "dir_z", "t", "E", "len", "lik", "rec_type", "fitinf", "rec_stages"),
}


PLAN = """
[source]
files = ["testdata:online/events_sample.root"]
chunk = 4

[[stage]]
use = "calibrate"
detector = "testdata:detx/km3net_offline.detx"
unknown = "drop"

[[sink]]
format = "km3pipe"
"""


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


def test_simulated_events(data, tmp_path):
    """Weights, user values, header and the names of columns as km3pipe's own tabulators write them."""
    source = km3gpu.open(data / MC)
    chunk = source.read(columns=READS["offline"], backend="cpu")
    Km3PipeSink().write(chunk, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as f:
        events, tracks, reco = f["event_info"][()], f["mc_tracks"][()], f["reco/tracks"][()]
        assert f.attrs["left_out"] == b""
        header = {r["parameter"].decode(): r for r in f["raw_header"][()]}
    assert np.array_equal(events["event_id"], chunk.events.flat("id"))
    assert events["weight_w2"].tolist() == [w[1] for w in chunk.events.w.to_list()]
    assert np.isnan(events["weight_w4"]).sum() == sum(len(w) < 4 for w in chunk.events.w.to_list())
    by = w2list(chunk.events, W2ListGseagen.BY)
    assert np.array_equal(events["W2LIST_GSEAGEN_BY"], by)
    assert len([n for n in events.dtype.names if n.startswith("W2LIST_GSEAGEN_")]) == len(W2ListGseagen)
    assert np.array_equal(tracks["pdgid"], chunk.mc_tracks.flat("type"))
    assert np.array_equal(tracks["energy"], chunk.mc_tracks.flat("E"))
    assert np.isnan(tracks["by"]).all()  # this file has no user values
    assert {"E", "t", "length", "likelihood", "JENERGY_ENERGY"} <= set(reco.dtype.names)
    assert np.array_equal(reco["E"], chunk.tracks.flat("E"))
    can = header["fixedcan"]
    assert (can["field_names"], can["dtype"]) == (b"xcenter ycenter zmin zmax radius", b"f4 f4 f4 f4 f4")
    assert [float(v) for v in can["field_values"].split()] == list(source.header.fixedcan)
    assert km3gpu.open(tmp_path / "x.h5").header.fixedcan.zmax == source.header.fixedcan.zmax


def test_user_values_of_tracks(data, tmp_path):
    chunk = km3gpu.open(data / "offline/numucc.root").read(columns=READS["offline"], backend="cpu")
    Km3PipeSink().write(chunk, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as f:
        by = f["mc_tracks"]["by"]
    assert np.array_equal(by, user_values(chunk.mc_tracks, "by"), equal_nan=True)
    assert np.isfinite(by).sum() == chunk.n_events  # of the neutrinos


def test_a_list_without_a_place_is_named(data, tmp_path):
    chunk = km3gpu.open(data / OFFLINE).read("tracks", backend="cpu")
    Km3PipeSink().write(chunk, tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as f:
        left = f.attrs["left_out"].decode().split(", ")
        assert "hit_ids" not in f["reco/tracks"].dtype.names
    assert {"tracks/hit_ids", "tracks/error_matrix"} <= set(left)
    assert not {"tracks/fitinf", "tracks/rec_stages"} & set(left)


@pytest.mark.parametrize("name", [DAQ, MC])
def test_halves_joined_are_the_whole(data, tmp_path, name):
    sink, source = Km3PipeSink(), km3gpu.open(data / name)
    columns = sink.reads(source.kind)
    columns = {t: [c for c in cs if c in source.tables[t]] for t, cs in columns.items()}
    n = source.n_events
    whole = source.read(columns=columns, entries=(0, n), backend="cpu")
    one = sink.write(whole, tmp_path / "whole.h5")
    halves = []
    for k, entries in enumerate([(0, n // 2), (n // 2, n)]):
        halves.append(tmp_path / f"{k}.h5")
        sink.write(source.read(columns=columns, entries=entries, backend="cpu"), halves[-1])
    other = merge.join(sink, halves, "joined", whole.source, tmp_path)
    assert other.digest == one.digest


def test_parts_that_differ_are_told(data, tmp_path):
    source, parts = km3gpu.open(data / DAQ), []
    for k, tables in enumerate(["hits", "triggered_hits"]):
        parts.append(tmp_path / f"{k}.h5")
        Km3PipeSink().write(source.read(tables, backend="cpu"), parts[-1])
    with pytest.raises(FormatError, match=r"parts differ in hits/channel_id, hits/dom_id.*1\.h5"):
        Km3PipeSink().merge(parts, tmp_path / "x.h5", "{}")


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


def test_a_plan_reads_what_the_format_has_a_place_for(tmp_path):
    """ROOT, calibrated, as km3pipe's HDF5: the groups and columns that OrcaSong and km3pipe look for."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    result = km3gpu.run(plan, out=tmp_path / "out")
    assert [p.name for p in result.outputs] == ["events.h5"]
    read = {c for chunk in result.plan.chunks for c in chunk.origin.columns}
    assert {"triggered_hits/trig", "hits/tdc"} <= read
    with h5py.File(result.outputs[0]) as f:
        assert {"group_info", "event_info", "hits", "triggered_hits", "provenance"} <= set(f)
        n_items = f["hits/_indices"]["n_items"]
        assert f["hits/_indices"]["index"].tolist() == (np.cumsum(n_items) - n_items).tolist()
        assert np.array_equal(f["hits/group_id"][()], np.repeat(np.arange(10), n_items))
        assert {"pos_x", "dir_z", "time", "tot", "channel_id", "dom_id", "triggered"} <= set(f["hits"])
        times, raw = f["hits/time"][()], f["hits/tdc"][()]
        assert f["group_info"]["group_id"].tolist() == list(range(10))
        assert f.attrs["format_version"] == b"5.1"
    assert (times != raw).any()  # calibrated
    record = km3gpu.pipeline.provenance.read(result.outputs[0])
    assert record["inputs"][0]["path"].endswith("events_sample.root")
    steps = km3gpu.open(result.outputs[0]).meta
    assert steps[-1]["application"] == "km3gpu"


def test_rows_made_in_memory(tmp_path):
    hits = Table("hits", {"t": np.arange(3.0), "dom_id": np.arange(3, dtype="i4")}, np.array([0, 1, 3]))
    chunk = km3gpu.Chunk(Origin("nowhere", "daq", "", 0, 2), {"hits": hits})
    Km3PipeSink().write(chunk, tmp_path / "x.h5")
    again = km3gpu.open(tmp_path / "x.h5")
    assert again.header is None
    assert again.read(backend="cpu").hits.t.to_list() == [[0.0], [1.0, 2.0]]


def test_it_is_a_sink():
    sink = Km3PipeSink(level=3)
    assert isinstance(sink, Sink)
    assert (sink.format, sink.suffix) == ("km3pipe", ".h5")
    assert sink.fingerprint() != Km3PipeSink().fingerprint()


def test_the_same_rows_give_the_same_bytes(written, tmp_path):
    _, first = written(DAQ)
    _, second = written(DAQ)
    assert first.digest == second.digest
