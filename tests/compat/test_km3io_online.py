"""The readers of DAQ files that km3io lost: the values that its tests held."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from km3gpu.compat.km3io import OnlineReader, SummarysliceReader
from km3gpu.compat.km3io.online import (
    get_channel_flags,
    get_number_udp_packets,
    get_rate,
    get_udp_max_sequence_number,
    has_udp_trailer,
)
from km3gpu.errors import UnknownNameError


@pytest.fixture(scope="module")
def reader(data):
    return OnlineReader(data / "online/km3net_online.root")


def test_events(reader):
    events = reader.events
    assert len(events) == 3
    assert repr(events) == "Number of events: 3"
    assert repr(events[0]) == "Online event with 96 snapshot hits and 18 triggered hits"
    hits = events.snapshot_hits
    assert [len(hits[i].dom_id) for i in (0, 1, -1)] == [96, 124, 78]
    assert ak.count(hits.time) == 298
    assert hits.dom_id[0][:3].to_list() == [806451572, 806451572, 806455814]
    assert hits.channel_id[0][:3].to_list() == [10, 13, 0]
    assert hits.time[0][:3].to_list() == [30733918, 30733916, 30733256]
    triggered = events.triggered_hits
    assert [len(triggered[i].dom_id) for i in (0, 1, -1)] == [18, 53, 9]
    assert triggered.dom_id[0][:3].to_list() == [806451572, 806451572, 808432835]
    assert triggered.time[0][:3].to_list() == [30733918, 30733916, 30733429]
    assert triggered.trigger_mask[0][:3].to_list() == [16, 16, 4]
    assert ak.max(hits.channel_id) < 31


def test_headers(reader):
    headers = reader.events.headers
    assert headers.run.to_list() == [6633] * 3
    assert headers.detector_id.to_list() == [44] * 3
    assert headers.UTC_seconds.to_list() == [0x5DC6018C] * 3
    assert (headers.UTC_16nanosecondcycles * 16).to_list() == [700_000_000, 700_000_000, 900_000_000]
    assert headers.trigger_counter.to_list() == [0, 1, 0]
    assert headers.trigger_mask.to_list() == [22, 22, 4]
    assert headers.overlays.to_list() == [6, 21, 0]


def test_the_file(reader, data):
    assert reader.uuid.endswith("85603008c611ea971772f09e86beef"[-20:])
    with OnlineReader(data / "online/km3net_online.root") as again:
        assert len(again.events) == 3
    with pytest.raises(UnknownNameError, match="KM3NET_EVENT"):
        OnlineReader(data / "offline/km3net_offline.root")


def test_timeslices(reader):
    slices = reader.timeslices
    assert slices.streams == {"L1": 3, "SN": 3}
    assert len(slices.stream("SN", 1).frames[808447186]) == 8
    for stream, n_frames in {"L1": [69, 69, 69], "SN": [64, 66, 68]}.items():
        for i, n in enumerate(n_frames):
            one = slices.stream(stream, i)
            assert len(one) == len(one.frames) == n
            assert repr(one) == f"{stream} timeslice with {n} frames."
    hits = slices.stream("L1", 0).frames[806451572]
    assert len(hits) == 984
    assert hits.pmt[:4].to_list() == [9, 28, 4, 4]
    assert hits.tdc[:2].to_list() == [486480, 486490]
    assert slices.stream("L1", 0).header.frame_index == 512
    assert "L1, SN" in repr(slices)
    for missing in ("L0", "L2"):
        with pytest.raises(KeyError):
            slices.stream(missing, 0)


def test_summary_slices(reader):
    (chunk,) = list(reader.summaryslices)
    assert len(chunk.headers) == len(chunk.slices) == 3
    assert chunk.headers.detector_id.to_list() == [44] * 3
    assert chunk.headers.frame_index.to_list() == [126, 127, 128]
    first = chunk.slices[0]
    assert first.dom_id[0] == 806451572
    channels = [f"ch{c}" for c in range(31)]
    assert first.fields == ["dom_id", "dq_status", "hrv", "fifo", "status3", "status4", *channels]

    def frame(dom):
        return first[first.dom_id == dom]

    for dom, full in {808981510: True, 808981523: False, 808974773: False}.items():
        assert get_channel_flags(frame(dom).fifo[0]).any() == full
    for dom, veto in {808489014: True, 808489117: False, 808982018: False, 808959411: True}.items():
        assert get_channel_flags(frame(dom).hrv[0]).any() == veto
    for dom, number in {808974758: 18, 808974972: 41, 809544061: 23}.items():
        assert get_udp_max_sequence_number(frame(dom).dq_status[0]) == number
    for dom, packets in {808451904: 27, 808951460: 37, 808969848: 21}.items():
        assert get_number_udp_packets(frame(dom).dq_status[0]) == packets
    assert has_udp_trailer(first.fifo[0])
    assert not has_udp_trailer(0)
    flags = get_channel_flags(frame(809526097).hrv[0])
    assert np.flatnonzero(flags).tolist() == [18, 26]
    assert get_channel_flags(np.array([1, 1 << 30])).shape == (2, 31)
    rates = [int(get_rate(first[f"ch{c}"][0])) for c in range(31)]
    assert min(r for r in rates if r) >= 2000
    assert get_rate(0) == 0
    assert get_rate(255) == 2_000_000 - 1 or get_rate(255) == 2_000_000
    assert get_rate(np.array([0, 1])).tolist() == [0, 2054]


def test_chunks_of_summary_slices(data):
    reader = SummarysliceReader(data / "online/summaryslices.root", step_size=300)
    assert len(reader) == 4
    assert [len(c.slices) for c in reader] == [300, 300, 300, 100]
    assert reader[-1].headers.frame_index.to_list() == reader[3].headers.frame_index.to_list()
    with pytest.raises(IndexError):
        reader[4]
    assert repr(reader) == "<SummarysliceReader 1000 items, step_size=300 (4 chunks)>"
