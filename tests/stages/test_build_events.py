"""Events built from stored timeslices, against the events that the data filter built of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.errors import ConfigError, FormatError, GeometryError
from km3gpu.stages import EventBuilder, build_events, veto

SAMPLE = "online/events_sample.root"
L1_STREAM_T0 = "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
KEY = ("dom_id", "channel_id", "tdc", "tot")


@pytest.fixture(scope="module")
def detector(data: Path) -> k3.Detector:
    return k3.Detector.open(data / L1_STREAM_T0)


@pytest.fixture(scope="module")
def slices(data: Path) -> list[k3.Chunk]:
    source = k3.open(data / SAMPLE, tree="KM3NET_TIMESLICE_L1")
    return [source.read(entries=(i, i + 1)) for i in range(10)]


@pytest.fixture(scope="module")
def stored(data: Path) -> k3.Chunk:
    return k3.open(data / SAMPLE).read()


def rows(chunks: list[k3.Chunk], table: str) -> dict[str, np.ndarray]:
    tables = [c.tables[table] for c in chunks]
    return {c: np.concatenate([t.flat(c) for t in tables]) for c in tables[0].columns}


def test_all_events_of_stored_frames_are_built(
    slices: list[k3.Chunk], stored: k3.Chunk, detector: k3.Detector
) -> None:
    made = list(build_events(slices, detector, "orca4"))
    events, hits = rows(made, "events"), rows(made, "hits")
    assert events["frame_index"].tolist() == [366, 366, 367, 369, 370, 372, 373]
    assert events["trigger_counter"].tolist() == list(range(7))
    bounds = np.concatenate(([0], np.cumsum(events["n_hits"])))
    keys = np.stack([hits[c].astype(np.int64) for c in KEY], axis=1)
    muon_or_shower = np.uint64(0x12)
    seen = []
    for e, (frame, mask) in enumerate(
        zip(stored.events.flat("frame_index"), stored.events.flat("trigger_mask"), strict=True)
    ):
        flagged = stored.triggered_hits
        a, b = flagged.offsets[e : e + 2]
        theirs = {
            tuple(k)
            for k, m in zip(np.stack([flagged.flat(c)[a:b].astype(np.int64) for c in KEY], 1).tolist(),
                            flagged.flat("trig")[a:b], strict=True) if m & muon_or_shower
        }  # fmt: skip
        c, d = stored.hits.offsets[e : e + 2]
        tdc = stored.hits.flat("tdc")[c:d].astype(float)
        for k in np.flatnonzero(events["frame_index"] == frame):
            if not tdc.min() - 1e4 < events["t_first"][k] - 2e5 < tdc.max() + 1e6:
                continue
            mine = slice(bounds[k], bounds[k + 1])
            if not set(map(tuple, keys[mine].tolist())) & theirs and theirs:
                continue
            own = hits["trigger_mask"][mine] & muon_or_shower != 0
            if theirs:
                assert set(map(tuple, keys[mine][own].tolist())) == theirs
            if events["trigger_mask"][k] == mask:
                seen.append((int(frame), int(mask), len(theirs)))
    # the hits of muon and shower are exactly those that the data filter flagged
    assert (366, 0x16, 17) in seen
    assert (370, 0x16, 15) in seen
    assert {(366, 0x4, 0), (369, 0x4, 0)} <= set(seen)


def test_chunks_of_any_size_give_the_same(data: Path, slices: list[k3.Chunk], detector: k3.Detector) -> None:
    whole = list(build_events([k3.open(data / SAMPLE, tree="KM3NET_TIMESLICE_L1").read()], detector, "orca4"))
    single = list(build_events(slices, detector, "orca4"))
    assert (len(whole), len(single)) == (2, 11)
    for table in ("events", "hits"):
        a, b = rows(whole, table), rows(single, table)
        assert set(a) == set(b)
        for c in a:
            np.testing.assert_array_equal(a[c], b[c], err_msg=c)
    # what a chunk gives depends on those before it, and so does its name
    assert len({c.id for c in single}) == len(single)


def test_events_can_be_calibrated_like_those_of_a_file(slices: list[k3.Chunk], detector: k3.Detector) -> None:
    made = next(c for c in build_events(slices, detector, "orca4") if c.n_events)
    again = k3.calibrate(made, detector, slewing="none")
    np.testing.assert_allclose(again.hits.flat("t"), made.hits.flat("t"), atol=1e-5, rtol=0)
    np.testing.assert_array_equal(again.hits.flat("pos_x"), made.hits.flat("pos_x"))
    start = {int(c.events.flat("frame_index")[0]): int(c.events.flat("time_ns")[0]) for c in slices}
    events = made.events
    assert [start[f] for f in events.flat("frame_index").tolist()] == events.flat("time_ns").tolist()
    assert set(events.flat("run_id").tolist()) == {6884}
    np.testing.assert_array_equal(events.flat("n_hits"), made.hits.counts)
    found = np.add.reduceat(made.hits.flat("trigger_mask") != 0, made.hits.offsets[:-1])
    np.testing.assert_array_equal(events.flat("n_triggered"), found)


def test_vetoed_pmts_take_no_part_but_are_in_snapshots(slices: list[k3.Chunk], detector: k3.Detector) -> None:
    judged, plain = (
        rows(list(build_events(slices, detector, "orca4", veto=v)), "events") for v in (True, False)
    )
    assert judged["n_triggered"].sum() < plain["n_triggered"].sum()
    by_hand = rows(list(build_events([veto(c) for c in slices], detector, "orca4")), "events")
    for c in judged:
        np.testing.assert_array_equal(judged[c], by_hand[c], err_msg=c)
    assert judged["n_hits"][0] == 27
    assert judged["n_triggered"][0] == 19
    calibrated = [k3.calibrate(veto(c), detector, slewing="none") for c in slices]
    own = rows(list(build_events(calibrated, parameters="orca4")), "events")
    np.testing.assert_array_equal(own["n_triggered"], judged["n_triggered"])


def test_unknown_modules_are_an_error_or_left_out(slices: list[k3.Chunk], detector: k3.Detector) -> None:
    strange = slices[0].hits.flat("dom_id").copy()
    strange[:10] = 7
    odd = slices[0].evolve("odd", {"hits": slices[0].hits.with_columns(dom_id=strange)})
    with pytest.raises(GeometryError, match=r"1 of 69 modules of the data .*: 7 "):
        list(build_events([odd], detector, "orca4"))
    builder = EventBuilder(detector, "orca4", unknown="mark", veto=False)
    assert builder.close() is None
    builder.push(odd)
    assert builder.close() is not None


def test_runs_are_streams_of_their_own(slices: list[k3.Chunk], detector: k3.Detector) -> None:
    events = slices[0].events
    later = slices[0].evolve("x", {"events": events.with_columns(run_id=events.flat("run_id") + 1)})
    made = list(build_events([slices[0], later], detector, "orca4"))
    assert len(made) == 4
    assert rows(made, "events")["run_id"].tolist() == [6884, 6884, 6885, 6885]
    assert rows(made, "events")["trigger_counter"].tolist() == [0, 1, 0, 1]
    builder = EventBuilder(detector, "orca4")
    builder.push(slices[0])
    assert builder.counters["slices"] == 1
    with pytest.raises(FormatError, match="6884 of detector 44, 6885 of detector 44"):
        builder.push(later)
    with pytest.raises(FormatError, match="slice 366 comes twice"):
        list(build_events([slices[0], slices[0]], detector, "orca4"))
    with pytest.raises(ConfigError, match="no set of trigger parameters"):
        list(build_events(slices, detector, "orca9"))
