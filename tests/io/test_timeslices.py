"""Timeslices in their three layouts: the ground truth of KM3io.jl's tests, and a slow parser."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
import uproot
from uproot.interpretation.numerical import AsDtype

import km3gpu
from km3gpu.errors import FormatError
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.timeslices import CHECKS, TREES, TimeSlices
from km3gpu.kernels.cpu import frames as kernel
from km3gpu.kernels.scalar.fault import NONE, split
from tests.io.trees import ROOT_FILES, open_tree

ONLINE = "online/km3net_online.root"
L1 = "online/KM3NeT_00000267_00025291_L1.root"
SN = "online/KM3NeT_00000267_00025291_SN.root"
FRAMES = "vector<KM3NETDAQ::JDAQSuperFrame>"
HIT = np.dtype([("channel_id", "u1"), ("tdc", "<u4"), ("tot", "u1")])


def read(data, name, tree):
    return km3gpu.open(data / name, tree=tree).read(backend="cpu")


def test_split_timeslices(data):
    chunk = read(data, ONLINE, "KM3NET_TIMESLICE_L1")
    assert chunk.source.kind == "timeslices"
    assert chunk.events.flat("frame_index").tolist() == [512, 509, 514]
    assert chunk.frames.counts[0] == 69
    assert chunk.hits.counts[0] == 49243
    assert chunk.frames.flat("dom_id")[0] == 806451572
    assert chunk.frames.flat("n_hits")[0] == 984
    assert chunk.hits.flat("dom_id")[983] == 806451572
    assert chunk.hits.flat("dom_id")[984] != 806451572
    assert chunk.hits.flat("channel_id")[:4].tolist() == [9, 28, 4, 4]
    assert chunk.hits.flat("tdc")[:4].tolist() == [486480, 486490, 709517, 709526]
    assert chunk.hits.flat("tot")[:4].tolist() == [27, 24, 5, 7]
    # the status word 1441815 is 22 and 23
    assert chunk.frames.flat("udp_highest")[0] == 1441815 >> 16
    assert chunk.frames.flat("udp_packets")[0] == 1441815 & 0xFFFF
    assert chunk.frames.flat("white_rabbit")[0]
    assert chunk.frames.flat("udp_trailer")[0]
    assert chunk.frames.flat("hrv")[0] == chunk.frames.flat("fifo")[0] == 0


def test_supernova_timeslices(data):
    chunk = read(data, ONLINE, "KM3NET_TIMESLICE_SN")
    assert chunk.frames.counts[0] == 64
    assert chunk.hits.counts[0] == 98
    assert chunk.events.flat("frame_index")[0] == 126
    assert chunk.hits.flat("tdc")[:4].tolist() == [65829267, 65829259, 65829263, 65829271]


def test_bare_timeslices(data):
    chunk = read(data, ONLINE, "KM3NET_TIMESLICE")
    assert chunk.events.flat("frame_index").tolist() == [240, 259, 250]
    assert chunk.frames.counts.tolist() == [1, 1, 1]
    assert chunk.hits.counts.tolist() == [48550, 57425, 47717]
    assert chunk.frames.flat("dom_id")[0] == 808969857
    assert chunk.frames.flat("udp_highest")[0] == 0x21
    assert chunk.frames.flat("udp_packets")[0] == 0x22
    first = [int(chunk.hits.flat(c)[0]) for c in ("channel_id", "tdc", "tot")]
    assert first == [0, 231, 28]
    assert chunk.frames.flat("checks")[0] == CHECKS["TIME_ERROR"]


def test_member_wise_timeslices(data):
    chunk = read(data, L1, "KM3NET_TIMESLICE_L1")
    assert chunk.n_events == 3
    assert len(chunk.hits) == 503333
    chunk = read(data, SN, "KM3NET_TIMESLICE_SN")
    assert chunk.n_events == 100
    assert chunk.frames.counts[0] == 0
    assert chunk.events.flat("frame_index")[[50, 99]].tolist() == [2137, 2186]
    assert chunk.frames.counts[50] == 454
    assert chunk.hits.counts[[50, 99]].tolist() == [1084, 1068]
    assert len(chunk.hits) == 94341


def test_what_a_file_is(data):
    assert km3gpu.open(data / L1).tree == "KM3NET_TIMESLICE_L1"
    assert km3gpu.open(data / SN).tree == "KM3NET_TIMESLICE_SN"
    source = km3gpu.open(data / L1)
    assert (source.detector_id, source.run_id) == (267, 25291)
    assert source.read("events", backend="cpu").events.flat("time_ns").min() > 1.7e18


def slow(entry: bytes) -> list[tuple[int, tuple[int, int, int], np.ndarray]]:
    """Parse a slice member by member: module, status words and hits of each frame."""
    n = struct.unpack_from(">i", entry, 8)[0]
    if n == 0:
        return []
    p = 12 + n * (4 + 4 + 10 + 12 + 14)
    members = []
    for code in "iIII":
        members.append(struct.unpack_from(f">{n}{code}", entry, p))
        p += 4 * n
    p += 8 * n
    counts = struct.unpack_from(f">{n}i", entry, p)
    p += 4 * n + 6
    frames = []
    for k, count in enumerate(counts):
        hits = np.frombuffer(entry, HIT, count, p)
        frames.append((members[0][k], (members[1][k], members[2][k], members[3][k]), hits))
        p += HIT.itemsize * count
    assert p == len(entry)
    return frames


@pytest.mark.parametrize(
    ("name", "tree"), [(L1, "KM3NET_TIMESLICE_L1"), (SN, "KM3NET_TIMESLICE_SN"), (ONLINE, "KM3NET_TIMESLICE")]
)
def test_every_frame_is_what_a_slow_parser_reads(data, name, tree):
    chunk = read(data, name, tree)
    source = open_tree(data / name, tree)
    raw, starts = entry_bytes(source, source.branch(FRAMES), 0, source.n_entries)
    slices = [slow(bytes(raw[a:b])) for a, b in itertools.pairwise(starts)]
    assert chunk.frames.counts.tolist() == [len(s) for s in slices]
    frames = [f for s in slices for f in s]
    assert chunk.frames.flat("dom_id").tolist() == [f[0] for f in frames]
    assert chunk.frames.flat("n_hits").tolist() == [len(f[2]) for f in frames]
    assert chunk.frames.flat("hrv").tolist() == [f[1][1] & 0x7FFFFFFF for f in frames]
    hits = np.concatenate([f[2] for f in frames])
    for column in HIT.names:
        assert np.array_equal(chunk.hits.flat(column), hits[column])
    modules = np.repeat([f[0] for f in frames], [len(f[2]) for f in frames])
    assert np.array_equal(chunk.hits.flat("dom_id"), modules)


@pytest.mark.parametrize("name", [n for n in ROOT_FILES if n.startswith("online/")])
@pytest.mark.parametrize("tree", TREES)
def test_times_are_those_that_uproot_reads(data, name, tree):
    events = km3gpu.open(data / name, tree=tree).read("events", backend="cpu").events
    with uproot.open(data / name) as f:
        branches = {b.name: b for b in f[tree].itervalues(recursive=True)}
        leaves = ["timeslice_start.UTC_seconds", "timeslice_start.UTC_16nanosecondcycles"]
        if leaves[0] in branches:
            seconds, cycles = (branches[n].array(library="np") for n in leaves)
        else:  # an object; uproot overlooks the six bytes in front of it
            one = "timeslice_start" if "timeslice_start" in branches else "KM3NETDAQ::JDAQTimesliceHeader"
            before = "V6" if one == "timeslice_start" else "V36"
            layout = AsDtype(np.dtype([("before", before), ("s", ">u4"), ("c", ">u4")]))
            times = branches[one].array(layout, library="np")
            seconds, cycles = times["s"], times["c"]
    wanted = (seconds & 0x7FFFFFFF).astype("i8") * 10**9 + cycles.astype("i8") * 16
    assert np.array_equal(events.flat("time_ns"), wanted)
    assert len(events) == len(wanted)


@pytest.mark.parametrize("name", [n for n in ROOT_FILES if n.startswith("online/")])
@pytest.mark.parametrize("tree", TREES)
def test_any_range_is_that_part(data, name, tree):
    source = km3gpu.open(data / name, tree=tree)
    whole = source.read(backend="cpu")
    n = source.n_events
    for start, stop in {(0, n), (0, n // 2), (n // 2, n), (n // 3, n // 3)}:
        part = source.read(entries=(start, stop), backend="cpu")
        assert part.frames.counts.tolist() == whole.frames.counts[start:stop].tolist()
        first, last = whole.hits.offsets[start], whole.hits.offsets[stop]
        assert np.array_equal(part.hits.flat("tdc"), whole.hits.flat("tdc")[first:last])
        assert np.array_equal(part.hits.offsets, whole.hits.offsets[start : stop + 1] - first)


def test_columns_are_chosen(data):
    source = km3gpu.open(data / L1)
    chunk = source.read(columns=["hits/tdc", "frames/n_hits"], backend="cpu")
    assert chunk.hits.columns == ("tdc",)
    assert chunk.frames.columns == ("n_hits",)
    assert "events" not in chunk


class TestChecks:
    """Jpp's rules, one by one, on frames made by hand."""

    GOOD = (2 << 16 | 3, 1 << 31)

    def run(self, hits, daq=GOOD[0], fifo=GOOD[1]):
        checks = np.empty(1, np.uint8)
        kernel.frame_checks(
            np.array([0, len(hits)]),
            np.array([daq], np.uint32),
            np.array([fifo], np.uint32),
            np.array([h[0] for h in hits], np.uint8),
            np.array([h[1] for h in hits], np.uint32),
            checks,
        )
        return int(checks[0])

    def test_a_good_frame(self):
        assert self.run([]) == 0
        assert self.run([(0, 5), (1, 3), (0, 5), (0, 6), (1, 4), (30, 105_000_000)]) == 0

    def test_missing_packets_or_trailer(self):
        assert self.run([], daq=2 << 16 | 2) == CHECKS["UDP_ERROR"]
        assert self.run([], fifo=0) == CHECKS["UDP_ERROR"]
        assert self.run([], daq=0xFFFF << 16 | 0xFFFF) == CHECKS["UDP_ERROR"]

    def test_a_channel_that_is_none(self):
        assert self.run([(31, 5)]) == CHECKS["PMT_ERROR"]
        assert self.run([(255, 5), (255, 4)]) == CHECKS["PMT_ERROR"]

    def test_a_time_beyond_the_frame(self):
        assert self.run([(3, 105_000_001)]) == CHECKS["TDC_ERROR"]
        assert self.run([(3, 2**32 - 1)]) == CHECKS["TDC_ERROR"]

    def test_times_that_go_down(self):
        assert self.run([(3, 10), (4, 5), (3, 9)]) == CHECKS["TIME_ERROR"]

    def test_several_at_once(self):
        assert self.run([(3, 105_000_001), (3, 9), (40, 1)], fifo=0) == 15


def entry(n: int, counts: list[int], flag: int = 0x4009) -> bytes:
    members = b"".join(struct.pack(f">{n}i", *([0] * n)) for _ in range(11)) + struct.pack(
        f">{n}i", *range(n)
    )
    members += bytes(4 * n * 5) + struct.pack(f">{n}i", *counts)
    body = struct.pack(">HHi", flag, 3, n) + (members + bytes(6) + bytes(6 * sum(counts)) if n else b"")
    return struct.pack(">I", 0x40000000 | len(body)) + body


@pytest.mark.parametrize(
    ("data_", "code"),
    [
        (entry(2, [1, 0]), NONE),
        (entry(0, []), NONE),
        (entry(2, [1, 0])[:-1], kernel.WRONG_LENGTH),
        (entry(2, [1, 0]) + b"\0", kernel.WRONG_LENGTH),
        (entry(2, [3, -2]), kernel.WRONG_LENGTH),
        (entry(0, []) + b"\0", kernel.WRONG_LENGTH),
        (entry(0, [])[:11], kernel.WRONG_LENGTH),
        (entry(1, [1], flag=0x0009), kernel.NO_MEMBER_WISE),
        (struct.pack(">IHHi", 0x40000008, 0x4009, 3, -1), kernel.WRONG_LENGTH),
        (struct.pack(">IHHi", 0x40000008, 0x4009, 3, 2**31 - 1), kernel.WRONG_LENGTH),
    ],
)
def test_entries_that_do_not_fit_their_counts(data_, code):
    raw = np.frombuffer(data_, np.uint8)
    starts = np.array([0, len(raw)])
    counts = np.zeros(1, np.int64)
    found = kernel.member_wise_counts(raw, starts, counts)
    if found == NONE:
        n = int(counts[0])
        frames = np.array([0, n])
        ints = [np.empty(n, np.int32), *(np.empty(n, np.uint32) for _ in range(3)), np.empty(n, np.int32)]
        found = kernel.member_wise_frames(raw, starts, frames, *ints, np.empty(n, np.int64))
    assert (found if found == NONE else split(found)[1]) == code


def test_a_damaged_slice_names_entry_branch_and_file(data, monkeypatch):
    dataset = TimeSlices(open_tree(data / SN, "KM3NET_TIMESLICE_SN"))

    def damaged(tree, branch, start, stop):
        raw, starts = entry_bytes(tree, branch, start, stop)
        raw = raw.copy()
        raw[starts[7] + 11] += 1
        return raw, starts

    monkeypatch.setattr("km3gpu.io.timeslices.entry_bytes", damaged)
    with pytest.raises(
        FormatError, match=r"entry 57 of branch 'vector<.*JDAQSuperFrame>'.*KM3NET_TIMESLICE_SN of .*SN\.root"
    ):
        dataset.read({"hits": ("tdc",)}, 50, 60, km3gpu.backend.Backend("cpu"))


def test_a_slice_stored_object_by_object_is_refused(data, monkeypatch):
    dataset = TimeSlices(open_tree(data / SN, "KM3NET_TIMESLICE_SN"))

    def other(tree, branch, start, stop):
        raw, starts = entry_bytes(tree, branch, start, stop)
        raw = raw.copy()
        raw[starts[0] + 4] &= 0xBF
        return raw, starts

    monkeypatch.setattr("km3gpu.io.timeslices.entry_bytes", other)
    with pytest.raises(FormatError, match=r"entry 3 .*object by object"):
        dataset.read({"hits": ("tdc",)}, 3, 5, km3gpu.backend.Backend("cpu"))
