"""Dumps of DAQ messages, in both forms: the ground truth, and `struct` on every byte."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import km3gpu
from km3gpu.errors import FormatError

KINDS = {
    "daq/IO_EVT.dat": ("daq", 3),
    "daq/IO_EVT_legacy.dat": ("daq", 38),
    "daq/IO_SUM.dat": ("summaryslices", 3),
    "daq/IO_SUM_legacy.dat": ("summaryslices", 81),
    "daq/IO_TSL0_legacy.dat": ("timeslices", 1),
    "daq/IO_TSL1_1003.dat": ("timeslices", 10),
    "daq/IO_TSL1_legacy.dat": ("timeslices", 1),
    "daq/IO_TSL2_legacy.dat": ("timeslices", 1),
    "daq/IO_TSSN.dat": ("timeslices", 3),
}


def read(data, name, **options):
    return km3gpu.open(data / name).read(backend="cpu", **options)


@pytest.mark.parametrize("name", KINDS)
def test_what_a_dump_is(data, name):
    source = km3gpu.open(data / name)
    assert (source.kind, source.n_events) == KINDS[name]
    whole = source.read(backend="cpu")
    part = source.read(entries=(source.n_events // 2, source.n_events), backend="cpu")
    assert (
        part.events.flat("time_ns").tolist() == whole.events.flat("time_ns")[source.n_events // 2 :].tolist()
    )
    empty = source.read(entries=(0, 0), backend="cpu")
    for table, every in whole.tables.items():
        assert empty.tables[table].columns == every.columns
        for column in every.columns:
            assert empty.tables[table].flat(column).dtype == every.flat(column).dtype


@pytest.mark.parametrize(
    ("name", "det", "run", "frame", "seconds", "ns", "counter", "mask", "overlays", "triggered", "hits"),
    [
        ("daq/IO_EVT.dat", 44, 6760, 88733, 1574432873, 300_000_000, 2816, 0x16, 54, 182, 239),
        ("daq/IO_EVT_legacy.dat", 7, 139, 5443, 1449571426, 300_000_000, 184, 0x12, 13, 13, 28),
    ],
)
def test_events(data, name, det, run, frame, seconds, ns, counter, mask, overlays, triggered, hits):
    chunk = read(data, name)
    first = {c: int(chunk.events.flat(c)[0]) for c in chunk.events.columns}
    assert (first["det_id"], first["run_id"], first["frame_index"]) == (det, run, frame)
    assert first["time_ns"] == seconds * 10**9 + ns
    assert (first["trigger_counter"], first["trigger_mask"], first["overlays"]) == (counter, mask, overlays)
    assert (chunk.triggered_hits.counts[0], chunk.hits.counts[0]) == (triggered, hits)
    raw = (data / name).read_bytes()
    at = 50 + (2 if name == "daq/IO_EVT.dat" else 0) + 2
    for k in range(triggered):
        dom, channel = struct.unpack_from("<iB", raw, at)
        (tdc,) = struct.unpack_from(">I", raw, at + 5)
        tot, trig = struct.unpack_from("<BQ", raw, at + 9)
        row = chunk.triggered_hits
        found = [int(row.flat(c)[k]) for c in ("dom_id", "channel_id", "tdc", "tot", "trig")]
        assert found == [dom, channel, tdc, tot, trig]
        at += 18
    # a triggered hit is also among the snapshot hits
    key = ("dom_id", "channel_id", "tdc", "tot")
    every = {tuple(h[c] for c in key) for h in chunk.hits.to_awkward()[0].to_list()}
    assert {tuple(h[c] for c in key) for h in chunk.triggered_hits.to_awkward()[0].to_list()} <= every


def test_summary_slices_have_unsigned_rates(data):
    # km3pipe reads the bytes of rates as signed
    chunk = read(data, "daq/IO_SUM.dat", columns=["frames/rate_codes", "frames/rates", "frames/dom_id"])
    assert chunk.frames.counts[0] == 33
    raw = (data / "daq/IO_SUM.dat").read_bytes()
    (dom,) = struct.unpack_from("<i", raw, 34)
    assert chunk.frames.flat("dom_id")[0] == dom
    assert bytes(chunk.frames.flat("rate_codes")[0]) == raw[34 + 24 : 34 + 55]
    assert (chunk.frames.flat("rate_codes") > 127).sum() > 100
    rates = chunk.frames.flat("rates")
    assert rates[rates > 0].min() >= 2000


def test_status_of_summary_frames(data):
    frames = read(data, "daq/IO_SUM.dat").frames
    assert frames.flat("daq_ok").all()
    assert frames.flat("white_rabbit").all()
    old = read(data, "daq/IO_SUM_legacy.dat").frames
    assert old.flat("white_rabbit").any()
    assert not old.flat("udp_packets").any()


def test_timeslices(data):
    chunk = read(data, "daq/IO_TSL1_1003.dat")
    assert chunk.frames.counts.tolist() == [15] * 10
    assert len(chunk.hits) == 18000
    assert chunk.frames.flat("n_hits").sum() == 18000
    assert (chunk.hits.flat("channel_id") < 31).all()
    assert chunk.hits.flat("tdc").max() <= 100_000_000
    assert (chunk.frames.flat("checks") == 0).all()
    assert np.array_equal(
        chunk.hits.flat("dom_id"), np.repeat(chunk.frames.flat("dom_id"), chunk.frames.flat("n_hits"))
    )
    first = read(data, "daq/IO_TSL0_legacy.dat")
    assert (len(first.hits), first.source.tree) == (200, "KM3NET_TIMESLICE")
    assert len(read(data, "daq/IO_TSL1_legacy.dat").hits) == 0


def test_several_kinds_in_one_file(data, tmp_path):
    path = tmp_path / "all.dat"
    path.write_bytes(
        b"".join((data / n).read_bytes() for n in ("daq/IO_SUM.dat", "daq/IO_TSSN.dat", "daq/IO_EVT.dat"))
    )
    source = km3gpu.open(path)
    assert source.trees == {"KM3NET_EVENT": 3, "KM3NET_TIMESLICE_SN": 3, "KM3NET_SUMMARYSLICE": 3}
    assert source.kind == "daq"
    assert len(source.read(tree="KM3NET_TIMESLICE_SN", backend="cpu").hits) == 58


@pytest.mark.parametrize(
    "name", ["daq/IO_EVT.dat", "daq/IO_SUM.dat", "daq/IO_TSL1_1003.dat", "daq/IO_EVT_legacy.dat"]
)
def test_a_damaged_dump_is_told(data, tmp_path, name):
    raw = (data / name).read_bytes()
    path = tmp_path / "x.dat"
    rng = np.random.default_rng(0)
    told = 0
    for cut in rng.integers(40, len(raw) - 1, 20):
        path.write_bytes(raw[: int(cut)])
        try:
            km3gpu.open(path).read(backend="cpu")
        except FormatError as error:
            told += "x.dat" in str(error)
    assert told >= 18  # a cut between two messages is no fault
    wrong = bytearray(raw)
    count = {"daq/IO_EVT.dat": 50, "daq/IO_EVT_legacy.dat": 48}.get(name, 30)
    wrong[count] += 1
    path.write_bytes(wrong)
    with pytest.raises(FormatError, match=r"message 0 \(at byte 0\) is damaged.*x\.dat"):
        km3gpu.open(path).read(backend="cpu")
