"""From hits to triggered events on made-up events, the bad ones among them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from km3gpu.trigger import finding, sets
from km3gpu.trigger.parameters import TriggerParameters

PLAIN = sets.named("orca4").evolve(l2={"ct_min": -1.0})


def event(places: Any, t: Any, module: Any = None, channel: Any = None) -> dict[str, np.ndarray]:
    places, t = np.asarray(places, float), np.asarray(t, float)
    n = len(t)
    axis = np.tile([0.0, 0.0, 1.0], (n, 1))
    return {
        "dom_id": np.asarray(np.arange(n) if module is None else module, np.int32),
        "channel_id": np.asarray(np.zeros(n) if channel is None else channel, np.uint8),
        "t": t,
        "tot": np.full(n, 20, np.uint8),
        **{f"pos_{c}": places[:, k].copy() for k, c in enumerate("xyz")},
        **{f"dir_{c}": axis[:, k].copy() for k, c in enumerate("xyz")},
    }


def flash(n_modules: int, spacing: float = 9.0, at: float = 1000.0) -> dict[str, np.ndarray]:
    """Pairs of hits on a string of modules that light reaches from the lowest one."""
    z = np.repeat(np.arange(n_modules) * spacing, 2)
    t = at + z * 1.38 / 0.2998 * 0.9 + np.tile([0.0, 3.0], n_modules)
    return event(
        np.column_stack((z * 0, z * 0, z)), t, np.repeat(np.arange(n_modules), 2), np.tile([1, 2], n_modules)
    )


def joined(*events: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    offsets = np.concatenate(([0], np.cumsum([len(e["t"]) for e in events]))).astype(np.int64)
    return offsets, {c: np.concatenate([e[c] for e in events]) for c in events[0]}


def find(*events: dict[str, np.ndarray], parameters: TriggerParameters = PLAIN) -> finding.Found:
    return finding.find(*joined(*events), parameters)


def test_a_flash_is_one_event() -> None:
    found = find(flash(5))
    assert found.columns["trigger_mask"].tolist() == [0x12]
    assert found.event_mask.tolist() == [0x12]
    assert found.columns["n_hits"].tolist() == [10]
    assert (found.columns["t_first"][0], found.columns["t_last"][0]) == (1000.0, flash(5)["t"].max())
    assert found.counters["sub_events"] == found.columns["overlays"][0] + 1


def test_events_are_kept_apart_and_may_be_empty() -> None:
    nothing = {c: v[:0] for c, v in flash(1).items()}
    found = find(nothing, flash(5), nothing, flash(1), flash(4))
    assert np.diff(found.offsets).tolist() == [0, 1, 0, 0, 1]
    assert found.event_mask.tolist() == [0, 0x12, 0, 0, 0x12]


@pytest.mark.parametrize(("apart", "events"), [(900.0, 1), (5000.0, 2)])
def test_what_is_close_in_time_is_one_event(apart: float, events: int) -> None:
    _, hits = joined(flash(4), flash(4, at=1000.0 + apart))
    found = finding.find(np.array([0, len(hits["t"])]), hits, PLAIN)
    assert len(found.columns["overlays"]) == events
    assert found.columns["n_hits"].sum() == 16


def test_the_order_of_hits_does_not_matter() -> None:
    hits = flash(6)
    mixed = np.random.default_rng(1).permutation(len(hits["t"]))
    a, b = find(hits), find({c: v[mixed] for c, v in hits.items()})
    assert np.array_equal(a.hit_mask[mixed], b.hit_mask)
    for name, column in a.columns.items():
        assert np.array_equal(column, b.columns[name])


def test_duplicate_hits_are_hits() -> None:
    hits = flash(5)
    twice = {c: np.repeat(v, 2) for c, v in hits.items()}
    assert find(twice).columns["n_hits"].tolist() == [20]


def test_hits_at_nan_take_no_part() -> None:
    hits = flash(5)
    for column in ("t", "pos_z"):
        lost = {c: v.copy() for c, v in hits.items()}
        lost[column][4:6] = np.nan
        found = find(lost)
        assert found.hit_mask[4:6].tolist() == [0, 0]
        assert found.columns["n_hits"].tolist() == [8]


def test_times_beyond_the_frame_are_times() -> None:
    assert find(flash(5, at=1.2e8)).columns["n_hits"].tolist() == [10]


def test_one_module_alone_triggers_nothing() -> None:
    rng = np.random.default_rng(2)
    t = np.sort(rng.uniform(0, 1e8, 20_000))
    found = find(event(np.zeros((20_000, 3)), t, np.zeros(20_000), rng.integers(0, 31, 20_000)))
    assert found.counters["coincidences"] > 0
    assert found.event_mask.tolist() == [0]


def test_a_burst_of_one_module_at_2_mhz_takes_bounded_time() -> None:
    rng = np.random.default_rng(3)
    n = 200_000
    t = np.sort(rng.uniform(0, 1e8, n))
    hits = event(np.zeros((n, 3)), t, np.zeros(n), rng.integers(0, 31, n))
    find({c: v[:100] for c, v in hits.items()})
    start = time.process_time()
    found = find(hits)
    assert time.process_time() - start < 10.0
    assert found.counters["coincidences"] > 3000
    assert found.columns["n_hits"].sum() == found.counters["hits_found"]


def test_five_thousand_coincidences_in_one_window() -> None:
    rng = np.random.default_rng(4)
    n = 5000
    place = np.repeat(rng.uniform(-20, 20, (n, 3)), 2, axis=0)
    t = np.repeat(rng.uniform(0, 100, n), 2) + np.tile([0.0, 2.0], n)
    hits = event(place, t, np.repeat(np.arange(n), 2), np.tile([1, 2], n))
    start = time.process_time()
    found = find(hits)
    assert time.process_time() - start < 20.0
    assert found.counters["coincidences"] == n
    for name in ("muon", "shower", "mx"):
        assert found.counters[f"{name}_factory"] > 4000
        assert found.counters[f"{name}_capped"] == 0
    assert found.event_mask.tolist() == [0x80000016]


def test_mixed_showers_count_their_root_once_and_no_other_hit_of_its_module() -> None:
    only = PLAIN.evolve(muon={"enabled": False}, shower={"enabled": False})
    # a coincidence of four on one module, single hits on modules around it
    around = np.array([[8.0, 0, 0], [-8, 0, 0], [0, 8, 0], [0, -8, 0], [0, 0, 8], [0, 0, -8], [6, 6, 0]])
    place = np.concatenate((np.zeros((4, 3)), around))
    t = np.concatenate((1000.0 + np.arange(4), 1030.0 + np.arange(7)))
    module = np.concatenate((np.full(4, 50), np.arange(7)))
    channel = np.concatenate((np.arange(4), np.zeros(7)))
    lit = event(place, t, module, channel)
    found = find(lit, parameters=only)
    assert found.event_mask.tolist() == [0x4]
    # all of its coincidence is triggered with it
    assert found.columns["n_hits"].tolist() == [11]
    assert (found.columns["t_first"][0], found.columns["t_last"][0]) == (1000.0, 1036.0)
    one_less = {c: v[:-1] for c, v in lit.items()}
    assert find(one_less, parameters=only).event_mask.tolist() == [0]


def test_triggers_can_be_switched_off() -> None:
    only = PLAIN.evolve(muon={"enabled": False}, mx_shower={"enabled": False})
    assert find(flash(5), parameters=only).event_mask.tolist() == [0x2]
    none = only.evolve(shower={"enabled": False})
    found = find(flash(5), parameters=none)
    assert found.event_mask.tolist() == [0]
    assert len(found.columns["overlays"]) == 0


def test_a_nano_beacon_begins_at_its_pmts() -> None:
    other = {"shower": {"enabled": False}, "muon": {"enabled": False}, "mx_shower": {"enabled": False}}
    beacon = PLAIN.evolve(nb={"enabled": True, "pmts": ("0:1",)}, **other)
    assert find(flash(5), parameters=beacon).event_mask.tolist() == [0x20]
    elsewhere = PLAIN.evolve(nb={"enabled": True, "pmts": ("*:9",)}, **other)
    assert find(flash(5), parameters=elsewhere).event_mask.tolist() == [0]


def test_an_l1_of_three_hits_can_be_asked_for() -> None:
    three = PLAIN.evolve(l1_number_of_hits=3)
    assert find(flash(5), parameters=three).event_mask.tolist() == [0]
    assert find(flash(5), parameters=three).counters["coincidences"] == 0
