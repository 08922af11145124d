"""Datagrams of the control boards, and raw acoustics."""

from __future__ import annotations

import shutil
import struct

import km3io.acoustics
import numpy as np
import pytest

import km3gpu
from km3gpu.errors import FormatError, NotRootError

BIN = "acoustics/DOM_808956920_CH1_1608751683.bin"


def test_hits(data):
    chunk = km3gpu.open(data / "daq/clb.dqd").read(backend="cpu")
    assert chunk.source.kind == "clb_hits"
    raw = (data / "daq/clb.dqd").read_bytes()
    assert chunk.n_events == 3
    at = k = 0
    for row in range(3):
        (length,) = struct.unpack_from("<i", raw, at)
        run, sequence, seconds, cycles, dom = struct.unpack_from(">IIIIi", raw, at + 8)
        assert chunk.events.flat("run_id")[row] == run
        assert chunk.events.flat("udp_sequence")[row] == sequence
        assert chunk.events.flat("time_ns")[row] == seconds * 10**9 + cycles * 16
        assert chunk.events.flat("dom_id")[row] == dom
        for p in range(at + 32, at + 4 + length, 6):
            hit = struct.unpack_from(">BIB", raw, p)
            assert tuple(int(chunk.hits.flat(c)[k]) for c in ("channel_id", "tdc", "tot")) == hit
            k += 1
        assert chunk.hits.offsets[row + 1] == k
        at += 4 + length
    assert at == len(raw)
    assert k == len(chunk.hits) == 599
    assert (chunk.hits.flat("channel_id") < 31).all()


def test_monitoring(data):
    chunk = km3gpu.open(data / "daq/IO_MONIT.dat").read(backend="cpu")
    assert chunk.source.kind == "monitoring"
    assert chunk.n_events == 6
    events = chunk.events
    assert events.flat("run_id").tolist() == [86] * 6
    assert events.flat("dom_id")[0] == 806472270
    assert events.flat("rates").shape == (6, 31)
    assert np.linalg.norm(events.flat("acceleration"), axis=1) == pytest.approx(1, abs=0.3)  # in g
    assert 0 < events.flat("temperature").min() < 50
    assert 0 <= events.flat("humidity").min() <= 100
    assert len(km3gpu.open(data / "daq/IO_MONIT.dat").read(entries=(0, 0), backend="cpu").events) == 0


def test_a_damaged_datagram(data, tmp_path):
    path = tmp_path / "x.dqd"
    path.write_bytes((data / "daq/clb.dqd").read_bytes()[:-3])
    with pytest.raises(FormatError, match=r"datagram at byte \d+ is damaged.*x\.dqd"):
        km3gpu.open(path)


def test_other_datagrams_are_refused(data):
    with pytest.raises((FormatError, NotRootError), match=r"clb_acoustics\.csk"):
        km3gpu.open(data / "daq/clb_acoustics.csk")


def test_raw_acoustics(data):
    source = km3gpu.open(data / BIN)
    theirs = km3io.acoustics.RawAcousticReader(str(data / BIN))
    chunk = source.read(backend="cpu")
    assert (source.kind, chunk.n_events) == ("raw_acoustics", 2)
    assert chunk.events.flat("dom_id").tolist() == [808956920] * 2
    seconds, cycles = (w.astype("i8") for w in theirs.timestamps)
    assert chunk.events.flat("time_ns").tolist() == (seconds * 10**9 + cycles * 16).tolist()
    assert chunk.events.flat("samples").shape == (2, 123260)
    assert np.array_equal(chunk.events.flat("samples").ravel(), theirs.pcm)
    second = source.read(entries=(1, 2), backend="cpu")
    assert np.array_equal(second.events.flat("samples")[0], chunk.events.flat("samples")[1])


def test_raw_acoustics_of_one_record_and_cut(data, tmp_path):
    raw = (data / BIN).read_bytes()
    one = tmp_path / "other.bin"
    one.write_bytes(raw[: len(raw) // 2])
    chunk = km3gpu.open(one).read(backend="cpu")
    assert chunk.events.flat("samples").shape == (1, 123260)
    assert chunk.events.flat("dom_id").tolist() == [0]
    shutil.copy(data / BIN, tmp_path / "cut.bin")
    (tmp_path / "cut.bin").write_bytes(raw[:-4])
    with pytest.raises(FormatError, match="no whole number of records"):
        km3gpu.open(tmp_path / "cut.bin")
