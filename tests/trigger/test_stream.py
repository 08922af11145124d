"""Streams cut in any way give the same events, and those that one look at all of it gives."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import ConfigError, FormatError
from km3gpu.trigger import finding, sets
from km3gpu.trigger.snapshots import cut_out
from km3gpu.trigger.stream import TriggerStream
from km3gpu.trigger.stream_events import StreamEvents

FRAME = 1e8
N_MODULES = 12
BOTH = sets.named("orca4").evolve(l2={"ct_min": -1.0})
Slices = list[tuple[int, dict[str, np.ndarray]]]


def place(module: np.ndarray) -> np.ndarray:
    return np.column_stack((module % 3 * 15.0, module % 2 * 15.0, module * 9.0))


def frames_of(t: np.ndarray, module: np.ndarray, channel: np.ndarray, n_frames: int, first: int) -> Slices:
    """Deal hits at absolute times out to frames; some are recorded a frame too early or too late."""
    rng = np.random.default_rng(len(t))
    frame = np.clip(np.floor(t / FRAME).astype(int), 0, n_frames - 1)
    # clocks of modules differ: near a border a hit may be in either frame
    near = np.abs(t - np.rint(t / FRAME) * FRAME) < 40.0
    frame = np.where(
        near, np.clip(np.rint(t / FRAME).astype(int) - rng.integers(0, 2, len(t)), 0, n_frames - 1), frame
    )
    made = []
    for f in range(n_frames):
        mine = np.flatnonzero(frame == f)
        mine = mine[np.argsort(module[mine], kind="stable")]
        own, at = t[mine] - f * FRAME, place(module[mine])
        columns = {
            "dom_id": module[mine].astype(np.int32), "channel_id": channel[mine].astype(np.uint8), "t": own,
            "tot": np.full(len(mine), 20, np.uint8),
            **{f"pos_{c}": at[:, k].copy() for k, c in enumerate("xyz")},
            **{f"dir_{c}": np.full(len(mine), 1.0 if c == "z" else 0.0) for c in "xyz"},
            "tdc": np.maximum(own, 0).astype(np.uint32),
        }  # fmt: skip
        made.append((first + f, columns))
    return made


def stream_of(seed: int, n_frames: int = 4, first: int = 7, crowd: int = 200) -> Slices:
    """Light from flashes around the borders of frames, in a crowd of single hits and pairs."""
    rng = np.random.default_rng(seed)
    t, module = [], []
    centres = [f * FRAME for f in range(1, n_frames)] + [rng.uniform(0, n_frames * FRAME) for _ in range(2)]
    for centre in centres:
        noise = centre + rng.uniform(-6000, 6000, crowd)
        t.append(noise)
        module.append(rng.integers(0, N_MODULES, crowd))
        twin = noise[::3] + rng.uniform(0, 30, len(noise[::3]))
        t.append(twin)
        module.append(module[-1][::3])
        for _ in range(rng.integers(1, 4)):
            start = centre + rng.choice([-1500.0, -30.0, 0.0, 400.0]) + rng.normal(0, 20)
            lit = rng.choice(N_MODULES, rng.integers(4, 9), replace=False)
            light = start + np.linalg.norm(place(lit) - place(lit[:1]), axis=1) * 1.38 / 0.2998 * 0.8
            t += [light, light + rng.uniform(0, 6, len(lit))]
            module += [lit, lit]
    times = np.rint(np.concatenate(t) * 4) / 4
    modules = np.concatenate(module)
    return frames_of(times, modules, rng.integers(0, 31, len(times)), n_frames, first)


def together(slices: Slices) -> tuple[list[int], np.ndarray, dict[str, np.ndarray]]:
    counts = [len(columns["t"]) for _, columns in slices]
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    columns = {c: np.concatenate([own[c] for _, own in slices]) for c in slices[0][1]}
    return [f for f, _ in slices], offsets, columns


def run(slices: Slices, cuts: list[int], **options: Any) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Give the events of a stream that comes in chunks, as plain values."""
    stream = TriggerStream(options.pop("parameters", BOTH), **options)
    edges = [0, *sorted(cuts), len(slices)]
    parts = []
    for low, high in itertools.pairwise(edges):
        if high > low:
            frames, offsets, columns = together(slices[low:high])
            parts.append(stream.push(np.array(frames), offsets, columns))
    parts.append(stream.close())
    return [event for part in parts for event in plain(part)], stream.counters


def plain(part: StreamEvents) -> list[dict[str, Any]]:
    return [
        {
            **{c: v[e].item() for c, v in part.columns.items()},
            "hits": {c: v[part.offsets[e] : part.offsets[e + 1]].tolist() for c, v in part.hits.items()},
        }
        for e in range(len(part))
    ]


def test_the_stream_is_what_one_look_at_all_of_it_finds() -> None:
    alike = 0
    for seed in range(6):
        slices = stream_of(seed)
        events, counters = run(slices, [1, 2, 3])
        frames, offsets, columns = together(slices)
        t = columns["t"] + np.repeat((np.array(frames) - 7) * FRAME, np.diff(offsets))
        found, *others = (
            finding.find(np.array([0, len(t)]), {**columns, "t": t - k * FRAME}, BOTH) for k in range(4)
        )
        if any((o.hit_mask != found.hit_mask).any() for o in others):
            continue  # a hit within 3 ps of an edge, so the origin of times decides
        alike += 1
        assert len(events) == len(found.columns["overlays"]) > 3
        for c in ("trigger_mask", "overlays"):
            assert [e[c] for e in events] == found.columns[c].tolist()
        assert [e["n_triggered"] for e in events] == found.columns["n_hits"].tolist()
        first = [e["t_first"] + (e["frame_index"] - 7) * FRAME for e in events]
        assert first == found.columns["t_first"].tolist()
        assert counters["hits"] == len(t)
        for name in ("muon_roots", "shower_roots", "mx_roots", "coincidences", "sub_events"):
            assert counters[name] == found.counters[name], name
        # every triggered hit is in one event, with its bits
        mask = np.array([m for e in events for m in e["hits"]["trigger_mask"]])
        assert sorted(mask[mask != 0].tolist()) == sorted(found.hit_mask[found.hit_mask != 0].tolist())
    assert alike >= 4


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(0, 6), max_size=6), st.sampled_from([1e6, 700.0]))
def test_how_the_stream_is_cut_changes_nothing(seed: int, cuts: list[int], longest: float) -> None:
    slices = stream_of(seed, n_frames=6, crowd=60)
    whole = run(slices, [], longest=longest)
    assert run(slices, cuts, longest=longest) == whole
    assert run(slices, [1, 2, 3, 4, 5], longest=longest) == whole


def test_an_event_across_a_border_is_one_event_of_the_first_frame() -> None:
    lit = np.arange(6)
    light = FRAME - 60.0 + lit * 30.0
    t = np.concatenate((light, light + 4.0))
    module = np.concatenate((lit, lit))
    slices = frames_of(t, module, np.zeros(12, int), 2, 100)
    assert min(len(own["t"]) for _, own in slices) > 3
    events, _ = run(slices, [1])
    assert len(events) == 1
    event = events[0]
    assert (event["frame_index"], event["n_triggered"], event["trigger_mask"]) == (100, 12, 0x12)
    assert (event["t_first"], event["t_last"]) == (FRAME - 60.0, FRAME + 94.0)
    assert sorted(event["hits"]["t"]) == sorted(t.tolist())
    shifted = [own["tdc"] + np.uint32((f - 100) * FRAME) for f, own in slices]
    assert event["hits"]["tdc"] == np.concatenate(shifted).tolist()
    # without the other frame there is less
    alone, _ = run(slices[:1], [])
    assert sum(e["n_triggered"] for e in alone) < 12


def test_a_gap_between_frames_ends_what_was_before() -> None:
    slices = stream_of(3)
    apart = [(f + (0 if f < 9 else 50), own) for f, own in slices]
    events, counters = run(apart, [1, 2, 3])
    one, _ = run(apart[:2], [])
    two, _ = run(apart[2:], [])
    assert counters["gaps"] == 1
    strip = [{k: v for k, v in e.items() if k != "trigger_counter"} for e in [*one, *two]]
    assert [{k: v for k, v in e.items() if k != "trigger_counter"} for e in events] == strip
    assert [e["trigger_counter"] for e in events] == list(range(len(events)))


def test_slices_out_of_order_are_waited_for() -> None:
    slices = stream_of(4, n_frames=5)
    whole = run(slices, [])[0]
    mixed = [slices[k] for k in (2, 0, 1, 4, 3)]
    for cuts in ([], [1, 2, 3, 4], [3]):
        assert run(mixed, cuts, late=2)[0] == whole
    with pytest.raises(FormatError, match=r"slice 7 comes after slice 9; .*larger 'late'"):
        run(mixed, [1])
    with pytest.raises(FormatError, match="slice 8 comes twice"):
        run([*slices[:2], slices[1]], [])


def test_snapshots_hold_all_hits_around_and_no_other() -> None:
    slices = stream_of(5)
    events, _ = run(slices, [2], before=2000.0, after=500.0)
    frames, offsets, columns = together(slices)
    t = columns["t"] + np.repeat((np.array(frames) - 7) * FRAME, np.diff(offsets))
    for e in events:
        start = (e["frame_index"] - 7) * FRAME
        inside = (t >= start + e["t_first"] - 2000.0) & (t <= start + e["t_last"] + 500.0)
        assert (np.array(e["hits"]["t"]) + start).tolist() == t[inside].tolist()
        own = np.array(e["hits"]["trigger_mask"]) != 0
        assert own.sum() == e["n_triggered"]


def test_hits_that_do_not_fit_are_in_snapshots_only() -> None:
    slices = stream_of(6)
    rng = np.random.default_rng(1)
    marked = [(f, {**own, "fit": rng.random(len(own["t"])) < 0.8}) for f, own in slices]
    events, counters = run(marked, [1, 2])
    assert run(marked, [3])[0] == events
    bare = [(f, {c: v[own["fit"]] for c, v in own.items() if c != "fit"}) for f, own in marked]
    only, _ = run(bare, [])
    assert len(only) == len(events) > 0
    assert counters["hits_unfit"] == sum((~own["fit"]).sum() for _, own in marked)
    for a, b in zip(events, only, strict=True):
        assert len(a["hits"]["t"]) > len(b["hits"]["t"])
        assert (a["n_triggered"], a["trigger_mask"]) == (b["n_triggered"], b["trigger_mask"])


def test_hits_far_beyond_their_frame_and_at_nan_are_counted_and_left_out() -> None:
    slices = stream_of(7)
    want, _ = run(slices, [])
    more = []
    for f, own in slices:
        extra = {c: np.repeat(v[:1], 3) for c, v in own.items()}
        extra["t"] = np.array([4e9, np.nan, -2e7])
        more.append((f, {c: np.concatenate((v, extra[c])) for c, v in own.items()}))
    got, counters = run(more, [1, 2, 3])
    assert got == want
    assert (counters["hits_beyond"], counters["hits_unfit"]) == (2 * len(slices), 3 * len(slices))


def test_empty_frames_and_an_empty_stream() -> None:
    nothing = {c: v[:0] for c, v in stream_of(1)[0][1].items()}
    events, counters = run([(f, nothing) for f in range(4)], [1, 2])
    assert (events, counters["slices"]) == ([], 4)
    slices = stream_of(1)
    with_empty = [(6, nothing), *slices, (11, nothing), (12, nothing)]
    assert run(with_empty, [1, 2, 3, 4, 5])[0] == run(slices, [])[0]
    assert len(TriggerStream(BOTH).close()) == 0


def test_a_burst_that_never_ends_is_cut_and_memory_stays_bounded() -> None:
    # light from everywhere, all the time: sub-events touch each other for frames
    per_frame = 4000
    stream = TriggerStream(BOTH.evolve(t_max_event_ns=1.5e6), longest=2e6, before=0.0, after=0.0)
    held, n_events = [], 0
    for f in range(6):
        start = np.sort(np.random.default_rng(f).uniform(0, FRAME, per_frame // 8))
        lit = np.tile(np.arange(4), len(start))
        t = np.repeat(start, 4) + lit * 30.0
        module, own = np.tile(lit, 2), np.concatenate((t, t + 3.0))
        one = frames_of(own, module, np.zeros(len(own), int), 1, f)
        frames, offsets, columns = together(one)
        n_events += len(stream.push(np.array(frames), offsets, columns))
        assert stream._buffer is not None
        held.append(len(stream._buffer.t))
    n_events += len(stream.close())
    assert max(held) < 1.3 * per_frame
    assert 200 < n_events < 320
    assert stream.counters["cut"] > 0.9 * n_events


def test_a_module_at_2_mhz_and_thousands_of_coincidences_at_once_take_bounded_time() -> None:
    rng = np.random.default_rng(8)
    glow = rng.uniform(0, 2 * FRAME, 400_000)
    crowd = 1000.0 + rng.uniform(0, 100, 3000)
    t = np.concatenate((glow, FRAME + crowd, FRAME + crowd + 2.0))
    module = np.concatenate((np.zeros(len(glow), int), *[np.arange(3000) % (N_MODULES - 1) + 1] * 2))
    slices = frames_of(t, module, rng.integers(0, 31, len(t)), 2, 0)
    begin = time.process_time()
    events, counters = run(slices, [1])
    assert time.process_time() - begin < 30.0
    assert counters["coincidences"] > 6000
    assert counters["cut"] == 0
    for name in ("muon", "shower", "mx"):
        assert counters[f"{name}_capped"] == 0
    assert [e["frame_index"] for e in events] == [1]
    assert sum(e["n_triggered"] for e in events) > 5000


def test_what_cannot_be_streamed() -> None:
    with pytest.raises(ConfigError, match="must not be negative"):
        TriggerStream(BOTH, before=-1.0)
    with pytest.raises(ConfigError, match="too long for frames of 100000000 ns"):
        TriggerStream(BOTH, after=2e7)
    with pytest.raises(FormatError, match="hits have no channel_id"):
        TriggerStream(BOTH).push(np.array([1]), np.array([0, 0]), {"dom_id": np.zeros(0, np.int32)})


def test_cut_out_of_anything() -> None:
    rng = np.random.default_rng(3)
    t = rng.integers(0, 100, 200).astype(float)
    t[::17] = np.nan
    first = np.array([5.0, 20.0, 24.0, 70.0])
    last = np.array([8.0, 22.0, 30.0, 71.0])
    flags = rng.integers(0, 3, 200).astype(np.uint64)
    offsets, rows, mask = cut_out(t, flags, first, last, 6.0, 3.0)
    for e in range(4):
        mine = rows[offsets[e] : offsets[e + 1]]
        assert mine.tolist() == np.flatnonzero((t >= first[e] - 6) & (t <= last[e] + 3)).tolist()
        own = (t[mine] >= first[e]) & (t[mine] <= last[e])
        assert mask[offsets[e] : offsets[e + 1]].tolist() == np.where(own, flags[mine], 0).tolist()
