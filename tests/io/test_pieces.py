from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.io.pieces import Packed, pack, stream, wants_shuffle

KINDS = ("u1", "<u2", "<i4", "<f8")


def shuffled_bytes(values: np.ndarray) -> bytes:
    """Give what HDF5's filter shuffle makes of values, one byte at a time."""
    items = [values.reshape(-1)[i : i + 1].tobytes() for i in range(values.size)]
    return b"".join(bytes([item[k]]) for k in range(values.dtype.itemsize) for item in items)


def column(kind: str, n: int, inner: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (n,) if inner == 1 else (n, inner)
    return rng.integers(0, rng.choice([2, 50, 250]), shape).astype(kind)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 200),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 7, 64, 500]),
    st.booleans(),
    st.integers(1, 9),
    st.data(),
)
def test_any_rows_of_packed_ones_make_a_stream_of_their_own(
    kind: str, n: int, inner: int, step: int, shuffled: bool, level: int, data: st.DataObject
) -> None:
    values = column(kind, n, inner, n)
    made = pack(values, step, level, shuffled=shuffled)
    whole = made.stream()
    assert zlib.decompress(whole) == (shuffled_bytes(values) if shuffled else values.tobytes())
    packed = Packed.opened(whole, made.index, n, made.width, step)
    start = data.draw(st.integers(0, n - 1))
    stop = data.draw(st.integers(start + 1, n))
    some = values[start:stop]
    planes = packed.rows(start, stop, level)
    again = stream(piece for plane in planes for piece in plane)
    assert zlib.decompress(again) == (shuffled_bytes(some) if shuffled else some.tobytes())


@pytest.mark.parametrize("shuffled", [False, True])
def test_whole_pieces_are_copied(shuffled: bool) -> None:
    values = column("<f8", 1000, 1, 3)
    packed = pack(values, 100, 1, shuffled=shuffled)
    there = [bytes(p.data) for plane in packed.rows(0, 1000, 1) for p in plane]
    for plane, row in enumerate(packed.rows(150, 820, 1)):
        inner = [bytes(p.data) for p in row[1:-1]]
        assert inner == there[plane * 10 + 2 : plane * 10 + 8]
        assert [p.length for p in row] == [n * packed.width for n in (50, 100, 100, 100, 100, 100, 100, 20)]


def test_a_flipped_bit_does_not_pass_the_checksum() -> None:
    whole = bytearray(pack(np.arange(5000.0), 500, 1, shuffled=True).stream())
    whole[len(whole) // 2] ^= 4
    with pytest.raises(zlib.error):
        zlib.decompress(whole)


def test_what_is_shuffled() -> None:
    rng = np.random.default_rng(1)
    places = rng.normal(size=100)[rng.integers(0, 100, 8000)]  # a few values, again and again
    assert not wants_shuffle(places, 1)
    assert wants_shuffle(np.cumsum(rng.exponential(size=8000)) + 1e8, 1)  # each value once
    assert not wants_shuffle(np.zeros(8000, np.uint8), 1)  # a byte has no first and last
    assert not wants_shuffle(np.zeros(0), 1)
