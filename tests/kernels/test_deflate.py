from __future__ import annotations

import zlib

import deflate
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.kernels.cpu.deflate import MORE, SPARE, left_open

EMPTY_LAST = b"\x03\x00"


def opened(streams: list[bytes]) -> list[bytes] | None:
    data = np.frombuffer(b"".join(streams) + bytes(SPARE), np.uint8)
    starts = np.cumsum([0, *map(len, streams)]).astype(np.int64)
    out, sizes = np.zeros(len(data) + MORE * len(streams), np.uint8), np.zeros(len(streams), np.int64)
    n = left_open(data, starts, out, sizes)
    if n < 0:
        return None
    assert n == sizes.sum()
    return [out[end - size : end].tobytes() for end, size in zip(np.cumsum(sizes), sizes, strict=True)]


def raw(data: bytes, level: int, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> bytes:
    made = zlib.compressobj(level, zlib.DEFLATED, -15, 8, strategy)
    return made.compress(data) + made.flush()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40_000), st.sampled_from([1, 2, 9, 60, 256]), st.sampled_from([1, 5, 12])),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 2**32 - 1),
)
def test_streams_of_libdeflate_follow_each_other(kinds: list[tuple[int, int, int]], seed: int) -> None:
    """One block and several, stored, fixed and dynamic; zlib reads any of them after any other."""
    rng = np.random.default_rng(seed)
    datas = [np.cumsum(rng.integers(0, k, n)).astype(np.uint8).tobytes() for n, k, _ in kinds]
    pieces = opened([deflate.deflate_compress(d, level) for d, (*_, level) in zip(datas, kinds, strict=True)])
    assert pieces is not None
    for order in (range(len(datas)), range(len(datas))[::-1]):
        together = b"".join(pieces[i] for i in order) + EMPTY_LAST
        assert zlib.decompress(together, -15) == b"".join(datas[i] for i in order)


@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE])
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_streams_of_zlib(level: int, strategy: int) -> None:
    """Another library, with blocks of every kind."""
    rng = np.random.default_rng(level)
    for n in (0, 1, 2, 300, 70_000, 200_000):
        for values in (1, 3, 256):
            data = rng.integers(0, values, n).astype(np.uint8).tobytes()
            pieces = opened([raw(data, level, strategy)])
            assert pieces is not None
            assert zlib.decompress(pieces[0] + EMPTY_LAST, -15) == data


def test_what_is_no_stream() -> None:
    whole = raw(np.arange(5000, dtype=np.int32).tobytes(), 6)
    assert opened([raw(bytes(5000), 1, zlib.Z_FIXED)[:4]]) is None
    assert opened([b"\x07" + whole]) is None  # a kind of block that there is not
    assert opened([b""]) is None
