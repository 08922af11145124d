"""Vetoes of the data acquisition, against loops over real files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.detector import Detector
from km3gpu.errors import CalibrationError, ConfigError, UnknownNameError
from km3gpu.stages import Quality, Veto, veto

ONLINE = "online/km3net_online.root"
DET_267 = "online/KM3NeT_00000267_00025291_JDAQEvent_JDAQSummaryslice.root"


def read(data: Path, name: str, tree: str) -> k3.Chunk:
    return k3.open(data / name).read(tree=tree)


def slow(chunk: k3.Chunk, table: str, summary: k3.Chunk) -> np.ndarray:
    """Look up the status of every hit's frame in a dictionary."""
    status = {}
    f, offsets = summary.frames, summary.frames.offsets
    for i, frame_index in enumerate(summary.events.flat("frame_index")):
        for k in range(offsets[i], offsets[i + 1]):
            lost = 0 if f.flat("daq_ok")[k] else 128
            status[frame_index, f.flat("dom_id")[k]] = int(f.flat("hrv")[k]), int(f.flat("fifo")[k]), lost
    hits, found = chunk.tables[table], []
    for i, frame_index in enumerate(chunk.events.flat("frame_index")):
        for k in range(hits.offsets[i], hits.offsets[i + 1]):
            hrv, fifo, lost = status.get((frame_index, hits.flat("dom_id")[k]), (0, 0, 0))
            channel = int(hits.flat("channel_id")[k])
            found.append(32 * (hrv >> channel & 1) + 64 * (fifo >> channel & 1) + lost)
    return np.array(found)


# the third event of the first file is of frame 129, its summary slices end at 128
@pytest.mark.parametrize(("name", "lacking"), [(ONLINE, 78), (DET_267, 0)])
def test_hits_of_events_by_summary_slices(data: Path, name: str, lacking: int) -> None:
    chunk, summary = read(data, name, "KM3NET_EVENT"), read(data, name, "KM3NET_SUMMARYSLICE")
    made = veto(chunk, summary)
    for table in ("hits", "triggered_hits"):
        expected = slow(chunk, table, summary)
        np.testing.assert_array_equal(made.tables[table].flat("quality"), expected)
        assert made.counters[f"veto/{table}_high_rate_veto"] == ((expected & 32) > 0).sum()
        assert made.counters[f"veto/{table}_fifo"] == ((expected & 64) > 0).sum()
        assert made.counters[f"veto/{table}_udp"] == ((expected & 128) > 0).sum()
    assert made.counters["veto/hits_high_rate_veto"] > 0
    assert made.counters["veto/hits_without_frame"] == lacking


@pytest.mark.parametrize(("name", "lacking"), [(ONLINE, 78), (DET_267, 0)])
def test_a_plan_takes_the_summary_slices_of_the_events_file(
    data: Path, tmp_path: Path, name: str, lacking: int
) -> None:
    chunk, summary = read(data, name, "KM3NET_EVENT"), read(data, name, "KM3NET_SUMMARYSLICE")
    with_frames = k3.open(data / name).read(tree="KM3NET_EVENT", tables=(*chunk.tables, "frames"))
    assert "frames" not in chunk
    there = with_frames.frames
    assert there.n_events == len(chunk.events)
    expected = veto(chunk, summary)
    made = veto(with_frames)
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[source]\nfiles = ["{data / name}"]\ntree = "KM3NET_EVENT"\nchunk = 1\n[[stage]]\nuse = "veto"\n'
        '[[sink]]\nformat = "hdf5"\n'
    )
    result = k3.run(plan, out=tmp_path / "out", show=False)
    written = k3.open(result.outputs[0]).read()
    for table in ("hits", "triggered_hits"):
        bits = expected.tables[table].flat("quality")
        np.testing.assert_array_equal(made.tables[table].flat("quality"), bits)
        np.testing.assert_array_equal(written.tables[table].flat("quality"), bits)
    assert made.counters == expected.counters
    assert result.total.counters["veto/hits_without_frame"] == lacking


def test_a_plan_to_veto_events_without_summary_slices_is_refused(data: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(
        f'[source]\nfiles = ["{data / "online/muon_cc_daqevents.root"}"]\n[[stage]]\nuse = "veto"\n'
        '[[sink]]\nformat = "hdf5"\n'
    )
    with pytest.raises(ConfigError, match=r"stage 'veto' needs frames\.dom_id, which .* does not have"):
        k3.run(plan, out=tmp_path / "out", show=False)


def test_frames_that_are_missing_are_counted(data: Path) -> None:
    chunk, summary = read(data, DET_267, "KM3NET_EVENT"), read(data, DET_267, "KM3NET_SUMMARYSLICE")
    some = np.flatnonzero(summary.events.flat("frame_index") != 2088)
    part = k3.Chunk(summary.source, {n: t.take_events(some) for n, t in summary.tables.items()})
    made = veto(chunk, part)
    lacking = np.repeat(chunk.events.flat("frame_index") == 2088, chunk.hits.counts)
    assert made.counters["veto/hits_without_frame"] == lacking.sum() > 0
    assert not made.hits.flat("quality")[lacking].any()
    none = k3.Chunk(summary.source, {n: t.take_events(some[:0]) for n, t in summary.tables.items()})
    none = k3.Chunk(none.source, {**none.tables, "events": summary.events})
    assert not veto(chunk, none).hits.flat("quality").any()


@pytest.mark.parametrize("tree", ["KM3NET_TIMESLICE_L1", "KM3NET_TIMESLICE_SN", "KM3NET_TIMESLICE"])
def test_hits_of_timeslices_by_their_own_frames(data: Path, tree: str) -> None:
    chunk = read(data, ONLINE, tree)
    made = Veto()(chunk)
    frames, k, expected = chunk.frames, 0, []
    for n, hrv, fifo in zip(*(frames.flat(c) for c in ("n_hits", "hrv", "fifo")), strict=True):
        channel = chunk.hits.flat("channel_id")[k : k + n].astype(int)
        expected.append(32 * (int(hrv) >> channel & 1) + 64 * (int(fifo) >> channel & 1))
        k += n
    expected = np.concatenate(expected)
    np.testing.assert_array_equal(made.hits.flat("quality"), expected)
    assert (expected & 32).any()


def test_dropping_hits_keeps_frames_and_hits_together(data: Path) -> None:
    chunk = read(data, ONLINE, "KM3NET_TIMESLICE_L1")
    marked = Veto()(chunk)
    made = Veto(high_rate_veto="drop", fifo="drop")(chunk)
    good = marked.hits.flat("quality") == 0
    assert 0 < good.sum() < len(good)
    np.testing.assert_array_equal(made.hits.flat("tdc"), chunk.hits.flat("tdc")[good])
    assert made.frames.flat("n_hits").sum() == len(made.hits) == good.sum()
    assert made.frames.flat("n_hits").dtype == chunk.frames.flat("n_hits").dtype
    module = np.repeat(made.frames.flat("dom_id"), made.frames.flat("n_hits"))
    np.testing.assert_array_equal(module, made.hits.flat("dom_id"))
    assert not Veto()(made).hits.flat("quality").any()


def test_calibrating_timeslices_drops_likewise(data: Path) -> None:
    chunk = read(data, ONLINE, "KM3NET_TIMESLICE_L1")
    det = Detector.open(data / "detx/km3net_offline.detx")
    one = det.replace(pmts=replace(det.pmts, status=np.arange(det.n_pmts) % 2))
    made = k3.calibrate(chunk, one, status="drop")
    assert 0 < len(made.hits) < len(chunk.hits)
    module = np.repeat(made.frames.flat("dom_id"), made.frames.flat("n_hits"))
    np.testing.assert_array_equal(module, made.hits.flat("dom_id"))
    both = Veto(high_rate_veto="drop")(made)
    assert both.frames.flat("n_hits").sum() == len(both.hits)


def test_bits_are_added_to_those_that_are_there(data: Path) -> None:
    chunk, summary = read(data, ONLINE, "KM3NET_EVENT"), read(data, ONLINE, "KM3NET_SUMMARYSLICE")
    det = Detector.open(data / "detx/km3net_offline.detx")
    off = det.replace(pmts=replace(det.pmts, status=np.ones(det.n_pmts)))
    calibrated = k3.calibrate(chunk, off)
    made = veto(calibrated, summary)
    expected = slow(chunk, "hits", summary) | int(Quality.PMT_STATUS)
    np.testing.assert_array_equal(made.hits.flat("quality"), expected)
    np.testing.assert_array_equal(made.hits.flat("t"), calibrated.hits.flat("t"))
    # the other way round, too
    after = k3.calibrate(veto(chunk, summary), off)
    np.testing.assert_array_equal(after.hits.flat("quality"), expected)


def test_vetoes_that_the_detector_disbelieves(data: Path) -> None:
    chunk, summary = read(data, ONLINE, "KM3NET_EVENT"), read(data, ONLINE, "KM3NET_SUMMARYSLICE")
    det = Detector.open(data / "detx/km3net_offline.detx")
    expected = slow(chunk, "hits", summary)
    for status, left in ((2, 64), (4, 32), (6, 0), (1, 96)):
        told = det.replace(pmts=replace(det.pmts, status=np.full(det.n_pmts, status)))
        found = veto(chunk, summary, detector=told).hits.flat("quality")
        np.testing.assert_array_equal(found, expected & left)


def test_an_error_where_it_is_asked_for(data: Path) -> None:
    chunk, summary = read(data, ONLINE, "KM3NET_EVENT"), read(data, ONLINE, "KM3NET_SUMMARYSLICE")
    with pytest.raises(CalibrationError, match=r"\d+ of 298 hits are of PMTs with the high-rate veto"):
        veto(chunk, summary, high_rate_veto="error")


def test_what_cannot_be_vetoed(data: Path) -> None:
    chunk, summary = read(data, ONLINE, "KM3NET_EVENT"), read(data, DET_267, "KM3NET_SUMMARYSLICE")
    with pytest.raises(CalibrationError, match=r"run \[6633\], summary slices of run \[25291\]"):
        veto(chunk, summary)
    with pytest.raises(CalibrationError, match=r"no status of frames.*summary="):
        veto(chunk)
    with pytest.raises(UnknownNameError, match="no table 'frames'"):
        veto(chunk, chunk)
    slices = read(data, ONLINE, "KM3NET_TIMESLICE_L1")
    cut = k3.Chunk(slices.source, {**slices.tables, "hits": slices.hits.filter(slices.hits.flat("tot") > 20)})
    with pytest.raises(CalibrationError, match=r"frames say 147463 hits, there are \d+"):
        Veto()(cut)
    with pytest.raises(ConfigError, match="fifo = 'maybe'"):
        Veto(fifo="maybe")


def test_its_place_in_a_plan() -> None:
    assert Veto().reads("timeslices")["frames"] == (
        "dom_id", "n_hits", "hrv", "fifo", "udp_trailer", "udp_packets", "udp_highest",
    )  # fmt: skip
    assert Veto().reads("timeslices")["hits"] == ("dom_id", "channel_id")
    assert Veto().writes("timeslices") == {"hits": ("quality",)}
    assert Veto().inputs() == ()
    assert Veto(fifo="drop").fingerprint() != Veto().fingerprint()


def test_packets_that_were_lost(data: Path) -> None:
    chunk, summary = read(data, DET_267, "KM3NET_EVENT"), read(data, DET_267, "KM3NET_SUMMARYSLICE")
    det = Detector.open(data / "detx/km3net_offline.detx")
    some = summary.frames.with_columns(udp_packets=summary.frames.flat("udp_packets") + np.uint16(1))
    lossy = k3.Chunk(summary.source, {**summary.tables, "frames": some})
    assert (veto(chunk, lossy).hits.flat("quality") & 128 > 0).mean() > 0.9
    with pytest.raises(CalibrationError, match="of frames of which packets were lost"):
        veto(chunk, lossy, udp="error")
    online, slices = read(data, ONLINE, "KM3NET_EVENT"), read(data, ONLINE, "KM3NET_SUMMARYSLICE")
    frames = slices.frames.with_columns(udp_trailer=np.zeros(len(slices.frames), bool))
    lossy = k3.Chunk(slices.source, {**slices.tables, "frames": frames})
    for status, left in ((0, True), (8, True), (16, False)):
        told = det.replace(pmts=replace(det.pmts, status=np.full(det.n_pmts, status)))
        assert (veto(online, lossy, detector=told).hits.flat("quality") & 128).any() == left


def test_a_limit_on_rates_by_summary_slices_and_by_counting(data: Path) -> None:
    chunk, summary = read(data, ONLINE, "KM3NET_EVENT"), read(data, ONLINE, "KM3NET_SUMMARYSLICE")
    rates, f, wanted = {}, summary.frames, []
    for i, frame_index in enumerate(summary.events.flat("frame_index")):
        for k in range(f.offsets[i], f.offsets[i + 1]):
            rates[frame_index, f.flat("dom_id")[k]] = f.flat("rates")[k]
    frame = np.repeat(chunk.events.flat("frame_index"), chunk.hits.counts)
    for key, channel in zip(
        zip(frame, chunk.hits.flat("dom_id"), strict=True), chunk.hits.flat("channel_id"), strict=True
    ):
        wanted.append(key in rates and rates[key][channel] > 9e3)
    without = veto(chunk, summary).hits.flat("quality")
    with_limit = veto(chunk, summary, rate_limit=9e3).hits.flat("quality")
    assert 20 < np.sum(wanted) < len(wanted)
    np.testing.assert_array_equal(with_limit, without | 32 * np.array(wanted, np.uint8))
    slices = read(data, ONLINE, "KM3NET_TIMESLICE_L1")
    counted = Veto(rate_limit=500.0)(slices).hits.flat("quality")
    number = np.repeat(np.arange(len(slices.frames)), slices.frames.flat("n_hits"))
    pmt = number * 31 + slices.hits.flat("channel_id")
    high = (np.bincount(pmt)[pmt] > 50).astype(np.uint8)
    np.testing.assert_array_equal(counted, Veto()(slices).hits.flat("quality") | 32 * high)
    with pytest.raises(ConfigError, match="rate_limit must be above 0 Hz"):
        Veto(rate_limit=0.0)
