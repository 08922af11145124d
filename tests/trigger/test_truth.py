"""Labels by simulated light, against every pair looked at one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.trigger.truth import match


def slowly(pmt, t, mc_pmt, mc_t, early=10.0, late=15.0, width=10.0, at_most=50, least=3):
    """Label one event: offset, and the nearest simulated hit of each hit."""
    differences = []
    for p, when in zip(pmt, t, strict=True):
        of_pmt = sorted(m for q, m in zip(mc_pmt, mc_t, strict=True) if p == q and p >= 0)
        differences += [when - m for m in of_pmt[:at_most]]
    differences.sort()
    if len(differences) < least or len(mc_t) < least:
        return np.nan, np.full(len(t), -1)
    counts = [sum(d <= x <= d + width for x in differences[i:]) for i, d in enumerate(differences)]
    best = int(np.argmax(counts))
    offset = float(np.median(differences[best : best + counts[best]]))
    nearest = np.full(len(t), -1)
    for i, (p, when) in enumerate(zip(pmt, t, strict=True)):
        fit = [
            (abs(when - offset - m), m, k)
            for k, (q, m) in enumerate(zip(mc_pmt, mc_t, strict=True))
            if p == q and p >= 0 and -early <= when - offset - m <= late
        ]
        if fit:
            nearest[i] = min(fit)[2]
    return offset, nearest


def joined(events, dtype):
    offsets = np.concatenate(([0], np.cumsum([len(e) for e in events]))).astype(np.int64)
    return offsets, np.array([x for e in events for x in e], dtype)


PMTS = st.integers(-1, 3)
TIMES = st.integers(0, 120).map(lambda n: n / 2)  # halves: sums are exact, ties are frequent
EVENT = st.tuples(st.lists(st.tuples(PMTS, TIMES), max_size=8), st.lists(st.tuples(PMTS, TIMES), max_size=8))


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, max_size=4), st.integers(1, 3))
def test_every_event_is_labelled_as_by_hand(events, at_most) -> None:
    offsets, pmt = joined([[p for p, _ in hits] for hits, _ in events], np.int32)
    _, t = joined([[x for _, x in hits] for hits, _ in events], float)
    mc_offsets, mc_pmt = joined([[p for p, _ in light] for _, light in events], np.int32)
    _, mc_t = joined([[x for _, x in light] for _, light in events], float)
    got = match(offsets, pmt, t, mc_offsets, mc_pmt, mc_t, at_most=at_most)
    for e in range(len(events)):
        hits = slice(offsets[e], offsets[e + 1])
        light = slice(mc_offsets[e], mc_offsets[e + 1])
        offset, nearest = slowly(pmt[hits], t[hits], mc_pmt[light], mc_t[light], at_most=at_most)
        np.testing.assert_array_equal(got.offset[e], offset)
        np.testing.assert_array_equal(got.signal[hits], nearest >= 0)
        # of equal times any simulated hit will do
        found = got.mc_hit[hits]
        assert ((found >= 0) == (nearest >= 0)).all()
        np.testing.assert_array_equal(mc_t[light][found[found >= 0]], mc_t[light][nearest[nearest >= 0]])


def test_a_known_offset_is_found_among_noise() -> None:
    rng = np.random.default_rng(1)
    mc_pmt = rng.integers(0, 200, 40).astype(np.int32)
    mc_t = rng.uniform(0, 1000, 40)
    pmt = np.concatenate((mc_pmt, rng.integers(0, 200, 300))).astype(np.int32)
    t = np.concatenate((mc_t + 5e7 + rng.normal(0, 1, 40), 5e7 + rng.uniform(-3000, 4000, 300)))
    got = match(np.array([0, 340]), pmt, t, np.array([0, 40]), mc_pmt, mc_t)
    assert got.offset[0] == pytest.approx(5e7, abs=1.0)
    assert got.signal[:40].all()
    assert got.signal[40:].sum() <= 3
    # the nearest may be another simulated hit of the same PMT
    assert (np.abs(mc_t[got.mc_hit[:40]] + 5e7 - t[:40]) < 5).all()


def test_hits_that_cannot_be_matched() -> None:
    pmt, mc_pmt = np.array([1, 1, 2, -1], np.int32), np.array([1, 1, 2, -1], np.int32)
    t, mc_t = np.array([100.0, np.nan, 101.0, 100.0]), np.array([0.0, 1.0, 0.0, 0.0])
    got = match(np.array([0, 4]), pmt, t, np.array([0, 4]), mc_pmt, mc_t)
    assert got.signal.tolist() == [True, False, True, False]
    nothing, no_pmt, empty = np.zeros(0), np.zeros(0, np.int32), np.array([0, 0])
    assert np.isnan(match(empty, no_pmt, nothing, empty, no_pmt, nothing).offset).tolist() == [True]
