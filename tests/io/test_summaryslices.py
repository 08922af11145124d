"""Summary slices: the ground truth of KM3io.jl's tests and Jpp's own dump of a slice."""

from __future__ import annotations

import numpy as np
import pytest
import uproot
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

import km3gpu
from km3gpu.backend import Backend
from km3gpu.errors import FormatError
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.rootfile import RootFile
from km3gpu.io.slices import bits
from km3gpu.io.summaryslices import RATES, SummarySlices
from tests.conftest import DATA
from tests.io.trees import ROOT_FILES, open_tree

DUMP = "online/KM3NeT_00000049_00008456.summaryslice-167941"
TREE = "KM3NET_SUMMARYSLICE"
WITH_SLICES = [n for n in ROOT_FILES if RootFile(str(DATA / n)).find(TREE)]
HEADER = np.dtype(
    [
        ("versions", "V18"),
        ("detector_id", ">i4"),
        ("run", ">i4"),
        ("frame_index", ">i4"),
        ("version", "V6"),
        ("seconds", ">u4"),
        ("cycles", ">u4"),
    ]
)
FRAME = np.dtype(
    [
        ("dom_id", ">i4"),
        ("daq", ">u4"),
        ("status", ">u4"),
        ("fifo", ">u4"),
        ("status_3", ">u4"),
        ("status_4", ">u4"),
        ("rates", "u1", (31,)),
    ]
)


@pytest.fixture(scope="module")
def online(data):
    return km3gpu.open(data / "online/km3net_online.root").read(tree=TREE, backend="cpu")


def test_numbers_of_frames(online):
    assert online.source.kind == "summaryslices"
    assert online.frames.counts.tolist() == [64, 66, 68]
    assert online.events.flat("run_id").tolist() == [6633] * 3
    assert online.events.flat("det_id").tolist() == [44] * 3


def test_the_mean_rate(online):
    assert online.frames.flat("rates").shape == (198, 31)
    assert online.frames.flat("rates").mean() == pytest.approx(57008.977876930316, rel=1e-14)


def test_one_frame(online):
    frames = online.frames
    (row,) = np.flatnonzero((frames.flat("dom_id") == 806487219) & (np.arange(198) < 64))
    assert row == 4
    rates = frames.flat("rates")[row]
    assert rates[[0, 2, 30]] == pytest.approx([8873.37466195722, 9624.605487994835, 12619.146889603864])
    vetoed = np.flatnonzero(bits(frames.flat("hrv")[row : row + 1])[0]).tolist()
    assert vetoed == [10, *range(12, 20), *range(21, 27), 29]
    busy = bits((frames.flat("hrv") | frames.flat("fifo"))[row : row + 1])
    assert 31 - busy.sum() == 15
    assert frames.flat("udp_highest")[row] == 34
    assert frames.flat("udp_packets")[row] == 35
    assert frames.flat("daq_ok")[row]
    assert frames.flat("white_rabbit")[row]


def test_every_pmt_is_as_jpp_printed_it(data):
    frames = km3gpu.open(data / f"{DUMP}.root", tree=TREE).read(backend="cpu").frames
    words = (data / f"{DUMP}.txt").read_text().split()
    rows = iter(words)
    n = 0
    by_module = {int(d): i for i, d in enumerate(frames.flat("dom_id"))}
    hrv, fifo = bits(frames.flat("hrv")), bits(frames.flat("fifo"))
    for module in rows:
        row = by_module[int(module)]
        for pmt in range(31):
            rate, (veto, full) = float(next(rows)), next(rows)
            assert abs(frames.flat("rates")[row, pmt] / 1000 - rate) <= 0.05 + 1e-9
            assert (veto, full) == (str(int(hrv[row, pmt])), str(int(fifo[row, pmt])))
            n += 1
    assert n == 3193


@pytest.mark.parametrize("name", WITH_SLICES)
def test_every_frame_of_every_file(data, name):
    """The bytes that uproot hands out, by NumPy's layouts."""
    with uproot.open(data / name) as f:
        tree = f[TREE]
        branches = {b.name: b for b in tree.itervalues(recursive=True)}
        entries = branches["vector<KM3NETDAQ::JDAQSummaryFrame>"].array(
            AsJagged(AsDtype(FRAME), header_bytes=10), library="np"
        )
        headers = branches["KM3NETDAQ::JDAQSummarysliceHeader"].array(AsDtype(HEADER), library="np")
    ours = km3gpu.open(data / name, tree=TREE)
    chunk = ours.read(tables="events", backend="cpu")
    seconds = headers["seconds"] & 0x7FFFFFFF
    wanted = seconds.astype("i8") * 10**9 + headers["cycles"].astype("i8") * 16
    assert np.array_equal(chunk.events.flat("time_ns"), wanted)
    assert np.array_equal(chunk.events.flat("white_rabbit"), headers["seconds"] >> 31 == 1)
    for column, field in (("det_id", "detector_id"), ("run_id", "run"), ("frame_index", "frame_index")):
        assert np.array_equal(chunk.events.flat(column), headers[field])
    columns = [f"frames/{c}" for c in (*ours.tables["frames"], "rate_codes", "status_3", "status_4")]
    frames = ours.read(columns=columns, backend="cpu").frames
    rows = np.concatenate([np.zeros(0, FRAME), *entries])
    assert frames.counts.tolist() == [len(e) for e in entries]
    assert np.array_equal(frames.flat("dom_id"), rows["dom_id"])
    assert np.array_equal(frames.flat("rate_codes"), rows["rates"])
    for word in ("status_3", "status_4"):
        assert np.array_equal(frames.flat(word), rows[word])
    assert np.array_equal(frames.flat("hrv"), rows["status"] & 0x7FFFFFFF)
    assert np.array_equal(frames.flat("fifo"), rows["fifo"] & 0x7FFFFFFF)
    assert np.array_equal(frames.flat("white_rabbit"), rows["status"] >> 31 == 1)
    assert np.array_equal(frames.flat("udp_trailer"), rows["fifo"] >> 31 == 1)
    assert np.array_equal(frames.flat("udp_packets"), rows["daq"] & 0xFFFF)
    assert np.array_equal(frames.flat("udp_highest"), rows["daq"] >> 16)


def test_the_run_of_a_thousand_slices(data):
    chunk = km3gpu.open(data / "online/summaryslices.root", tree=TREE).read(backend="cpu")
    assert chunk.n_events == 1000
    assert len(chunk.frames) == 17830
    # intervals of two seconds, in the order of time
    order = np.argsort(chunk.events.flat("time_ns"), kind="stable")
    seconds = (chunk.events.flat("time_ns")[order] - chunk.events.flat("time_ns").min()) // 2_000_000_000
    lengths = np.bincount(seconds)
    assert len(lengths) == 54
    assert lengths[:3].tolist() == [2, 11, 20]
    assert lengths[-6:].tolist() == [19, 17, 12, 10, 6, 3]


def test_rates_by_their_bytes(online):
    assert RATES[0] == 0
    assert RATES[255] == pytest.approx(2e6)
    assert (np.diff(RATES[1:]) > 0).all()
    codes = km3gpu.open(online.source.path).read(
        tree=TREE, columns=["frames/rate_codes", "frames/rates"], backend="cpu"
    )
    assert (RATES[codes.frames.flat("rate_codes")] == codes.frames.flat("rates")).all()


def test_any_range_is_that_part(data):
    source = km3gpu.open(data / "online/summaryslices.root", tree=TREE)
    whole = source.read(backend="cpu")
    part = source.read(entries=(400, 650), backend="cpu")
    assert part.frames.dom_id.to_list() == whole.frames.dom_id[400:650].to_list()
    assert (part.events.flat("time_ns") == whole.events.flat("time_ns")[400:650]).all()
    assert sum(c.n_events for c in source.chunks("1 MB", backend="cpu")) == 1000


def test_a_wrong_count_is_told(data, monkeypatch):
    dataset = SummarySlices(open_tree(data / "online/km3net_online.root", TREE))

    def damaged(tree, branch, start, stop):
        raw, starts = entry_bytes(tree, branch, start, stop)
        raw = raw.copy()
        raw[starts[1] + 9] += 1
        return raw, starts

    monkeypatch.setattr("km3gpu.io.summaryslices.entry_bytes", damaged)
    with pytest.raises(
        FormatError, match=r"entry 2 of branch 'vector<KM3NETDAQ::JDAQSummaryFrame>'.*online\.root"
    ):
        dataset.read({"frames": ("dom_id",)}, 1, 3, Backend("cpu"))
