from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import KernelError
from km3gpu.kernels import multiplicity
from km3gpu.kernels.reference import multiplicity as reference

from .conftest import Where
from .test_coincidence import hits

USED = ("offsets", "dom_id", "channel_id", "t")


@pytest.mark.parametrize("counts", [[], [0], [1], [0, 40, 0, 0, 33, 1], [120]])
@pytest.mark.parametrize("window", [0.0, 10.0, 25.0])
def test_agrees_with_the_reference(where: Where, counts: list[int], window: float) -> None:
    h = hits(counts, seed=4)
    if len(h["t"]) > 5:
        h["t"][3] = np.nan
        h["channel_id"][:4] = 63
    got = multiplicity.sliding(*where.put(*(h[c] for c in USED)), window=window)
    want = reference.sliding(*(h[c] for c in USED), window)
    for a, b in zip(got, want, strict=True):
        assert np.array_equal(where.get(a), b)
        assert where.get(a).dtype == np.int32


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 15), max_size=4), st.integers(0, 2**32 - 1), st.integers(0, 40))
def test_of_anything(counts: list[int], seed: int, window: int) -> None:
    h = hits(counts, seed)
    got = multiplicity.sliding(*(h[c] for c in USED), window=float(window))
    for a, b in zip(got, reference.sliding(*(h[c] for c in USED), window), strict=True):
        assert np.array_equal(a, b)


def test_names_a_channel_that_cannot_be_counted(where: Where) -> None:
    channel = np.array([0, 1, 64], "u4")
    with pytest.raises(KernelError, match=r"channel 64 is above 63 \(in hit 2 of event 0\)"):
        multiplicity.sliding(*where.put([0, 3], np.zeros(3, "i4"), channel, np.zeros(3)))
