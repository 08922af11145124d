"""Events built from stored timeslices, against the events that the data filter built of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import km3gpu as k3
from km3gpu.chunk import Origin
from km3gpu.errors import ConfigError, FormatError, GeometryError
from km3gpu.stages import BuildEvents, EventBuilder, build_events, veto
from km3gpu.table import Table
from km3gpu.trigger import sets

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


def keys(table: dict[str, np.ndarray], index: np.ndarray) -> set[tuple[int, ...]]:
    return set(zip(*(table[c][index].tolist() for c in KEY), strict=True))


def rows(chunks: list[k3.Chunk], table: str) -> dict[str, np.ndarray]:
    tables = [c.tables[table] for c in chunks]
    return {c: np.concatenate([t.flat(c) for t in tables]) for c in tables[0].columns}


def test_all_events_of_stored_frames_are_built(
    slices: list[k3.Chunk], stored: k3.Chunk, detector: k3.Detector
) -> None:
    made = list(build_events(slices, detector, "orca4"))
    events, hits = rows(made, "events"), rows(made, "hits")
    # those of MXShower alone (frames 366 and 369) have hits that are in no L1, which the stream lacks
    assert events["frame_index"].tolist() == [366, 367, 370, 372, 373]
    assert events["trigger_counter"].tolist() == list(range(5))
    bounds = np.concatenate(([0], np.cumsum(events["n_hits"])))
    muon_or_shower = np.uint64(0x12)
    by_bits = hits["trigger_mask"] & muon_or_shower != 0
    built = [keys(hits, np.flatnonzero(by_bits[a:b]) + a) for a, b in itertools.pairwise(bounds)]
    flagged = {c: stored.triggered_hits.flat(c) for c in stored.triggered_hits.columns}
    seen = []
    for e, frame in enumerate(stored.events.flat("frame_index")):
        mine = np.arange(*stored.triggered_hits.offsets[e : e + 2])
        theirs = keys(flagged, mine[flagged["trig"][mine] & muon_or_shower != 0])
        if theirs and frame in events["frame_index"]:
            # the hits of muon and shower are exactly those that the data filter flagged
            assert theirs in [built[k] for k in np.flatnonzero(events["frame_index"] == frame)]
            seen.append((int(frame), len(theirs)))
    assert seen == [(366, 17), (370, 15)]


def test_chunks_of_any_size_give_the_same(data: Path, slices: list[k3.Chunk], detector: k3.Detector) -> None:
    whole = list(build_events([k3.open(data / SAMPLE, tree="KM3NET_TIMESLICE_L1").read()], detector, "orca4"))
    single = list(build_events(slices, detector, "orca4"))
    assert (len(whole), len(single)) == (2, 11)
    for table in ("events", "hits"):
        a, b = rows(whole, table), rows(single, table)
        assert set(a) == set(b)
        for c in a:
            np.testing.assert_array_equal(a[c], b[c], err_msg=c)
    # what a chunk gives depends on all those before it, and so does its name
    assert len({c.id for c in single}) == len(single)
    later = [list(build_events(part, detector, "orca4", late=20)) for part in (slices[:3], slices[1:3])]
    assert later[0][-1].id != later[1][-1].id
    again = list(build_events(slices[:3], detector, "orca4", late=20))
    assert [c.id for c in again] == [c.id for c in later[0]]


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
    assert rows(made, "events")["run_id"].tolist() == [6884, 6885]
    assert rows(made, "events")["trigger_counter"].tolist() == [0, 0]
    builder = EventBuilder(detector, "orca4")
    builder.push(slices[0])
    assert builder.counters["slices"] == 1
    with pytest.raises(FormatError, match="6884 of detector 44, 6885 of detector 44"):
        builder.push(later)
    with pytest.raises(FormatError, match="slice 366 comes twice"):
        list(build_events([slices[0], slices[0]], detector, "orca4"))
    with pytest.raises(ConfigError, match="no set of trigger parameters"):
        list(build_events(slices, detector, "orca9"))


def made_up(seed: int, n_frames: int, apart: float = 0.0) -> list[k3.Chunk]:
    """Flashes along a string at the borders of frames, or (`apart` ns) all the time."""
    rng = np.random.default_rng(seed)
    if apart:
        start = np.arange(5e7, n_frames * 1e8, apart)
    else:
        start = np.repeat(np.arange(1, n_frames) * 1e8, 3) + rng.uniform(-800, 800, 3 * n_frames - 3)
    lit = np.tile(np.arange(6), len(start))
    t = np.repeat(np.rint(np.repeat(start, 6) + lit * 30.0), 2) + np.tile([0.0, 4.0], 6 * len(start))
    module = np.repeat(lit, 2).astype(np.int32)
    frame = np.clip(t // 1e8, 0, n_frames - 1).astype(int)
    chunks = []
    for f in range(n_frames):
        mine = np.flatnonzero(frame == f)
        zero = np.zeros(len(mine))
        hits = {
            "dom_id": module[mine], "channel_id": np.zeros(len(mine), np.uint8), "t": t[mine] - f * 1e8,
            "tot": np.full(len(mine), 20, np.uint8), "tdc": (t[mine] - f * 1e8).astype(np.uint32),
            "pos_x": zero, "pos_y": zero, "pos_z": module[mine] * 9.0, "dir_x": zero, "dir_y": zero,
            "dir_z": zero + 1.0,
        }  # fmt: skip
        events = {
            "det_id": np.array([44], np.int32), "run_id": np.array([1], np.int32),
            "frame_index": np.array([f + 10], np.int32), "time_ns": np.array([f * 10**8]),
        }  # fmt: skip
        tables = {"events": Table("events", events), "hits": Table("hits", hits, np.array([0, len(mine)]))}
        chunks.append(k3.Chunk(Origin("made.root", "timeslices", "T", f, f + 1, digest="sha256:0"), tables))
    return chunks


def around(chunks: list[k3.Chunk], own: list[int]) -> k3.Chunk:
    """Give slices of a chunk with two on either side, as a plan reads them."""
    beside = [f for f in range(len(chunks)) if f not in own and any(abs(f - o) <= 2 for o in own)]
    whole = k3.stages.concat([chunks[f] for f in [*own, *beside]])
    flags = np.arange(len(own) + len(beside)) < len(own)
    return k3.Chunk(whole.source, {**whole.tables, "events": whole.events.with_columns(own=flags)})


@pytest.mark.parametrize("sizes", [[1] * 9, [2, 3, 4], [5, 4]])
def test_chunks_that_know_nothing_of_each_other_give_each_event_once(sizes: list[int]) -> None:
    stage = BuildEvents(parameters="orca4")
    for seed in range(3):
        slices = made_up(seed, 9)
        order = np.random.default_rng(seed).permutation(9).tolist()  # files are not in order
        want = rows(list(build_events(slices, parameters="orca4")), "events")
        found, hits = [], 0
        for own in np.split(order, np.cumsum(sizes)[:-1]):
            made = stage(around(slices, own.tolist()))
            assert set(made.tables) == {"events", "hits"}
            hits += len(made.hits)
            found += list(zip(*(made.events.flat(c).tolist() for c in ("frame_index", "t_first", "overlays",
                                "trigger_mask", "n_triggered", "n_hits")), strict=True))  # fmt: skip
        columns = ("frame_index", "t_first", "overlays", "trigger_mask", "n_triggered", "n_hits")
        assert sorted(found) == sorted(zip(*(want[c].tolist() for c in columns), strict=True))
        assert hits == want["n_hits"].sum()
        assert len(found) >= 8
        # some events are made of two frames
        assert (want["frame_index"] != want["root_frame"]).sum() + (want["t_last"] > 1e8).sum() > 0


def test_no_quiet_moment_is_an_error() -> None:
    # events that reach each other through all slices, each cut when it is too long
    crowd = sets.named("orca4").evolve(t_max_event_ns=1e5)
    stage = BuildEvents(parameters=crowd, before=0.0, after=0.0)
    slices = made_up(0, 6, apart=5e4)
    with pytest.raises(FormatError, match="slice 11 has no quiet moment to begin from"):
        stage(around(slices, [3]))
    all_of_them = around(slices, list(range(6)))
    assert len(stage(all_of_them).events) > 300
    quiet = BuildEvents(parameters=crowd, before=0.0, after=0.0)(around(made_up(0, 6, apart=3e5), [3]))
    assert len(quiet.events) > 300


def test_its_place_in_a_plan() -> None:
    stage = BuildEvents("detector.detx", "orca4")
    assert stage.reads("timeslices")["hits"] == ("dom_id", "channel_id", "tdc", "tot")
    assert "hrv" in stage.reads("timeslices")["frames"]
    assert "frames" not in BuildEvents(veto=False).reads("timeslices")
    assert stage.neighbours == 2
    with pytest.raises(ConfigError, match="unknown = 'drop'"):
        BuildEvents(unknown="drop")
    with pytest.raises(ConfigError, match=r"longest = 100000000\.0; take 0 to 10000000 ns"):
        BuildEvents(longest=1e8)
