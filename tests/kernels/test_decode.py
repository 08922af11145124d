from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import FormatError
from km3gpu.kernels import decode
from km3gpu.kernels.reference import decode as reference

from .conftest import SIMULATED, Where

FILES = (
    "online/events_sample.root",
    "online/km3net_online.root",
    "online/KM3NeT_00000133_JDAQEvent.root",
    "online/muon_cc_daqevents.root",
)


def baskets(path: Path, branch: str) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of all entries of a branch, and where each begins."""
    with uproot.open(path) as f:
        tree = f["KM3NET_EVENT"]
        found = next(b for b in tree.itervalues(recursive=True) if b.name == branch)
        parts, offsets = [], [0]
        for k in range(found.num_baskets):
            basket = found.basket(k)
            data = np.asarray(basket.data)
            starts = basket.byte_offsets
            if starts is None:
                starts = np.arange(basket.num_entries + 1) * (len(data) // basket.num_entries)
            parts.append(data[starts[0] : starts[-1]])
            offsets += (starts[1:] - starts[0] + offsets[-1]).tolist()
    return np.concatenate(parts), np.array(offsets, np.int64)


def cut(raw: np.ndarray, offsets: np.ndarray, where: Where, entries: int = 3) -> Any:
    """The whole, or a few small entries for the simulator."""
    if where.name != "cudasim":
        return raw, offsets
    smallest = sorted(range(len(offsets) - 1), key=lambda e: offsets[e + 1] - offsets[e])[:entries]
    parts = [raw[offsets[e] : offsets[e + 1]][:1510] for e in smallest]
    return np.concatenate(parts), np.concatenate([[0], np.cumsum([len(p) for p in parts])])


@pytest.mark.parametrize("name", FILES)
def test_real_files_as_struct_reads_them(where: Where, data: Path, name: str) -> None:
    for branch, function, expected in (
        ("snapshotHits", decode.snapshot_hits, reference.snapshot_hits),
        ("triggeredHits", decode.triggered_hits, reference.triggered_hits),
    ):
        raw, byte_offsets = baskets(data / name, branch)
        if SIMULATED:
            byte_offsets = byte_offsets[:2]
            raw = raw[: byte_offsets[-1]]
        offsets, columns = function(*where.put(raw, byte_offsets))
        want_offsets, want = expected(raw, byte_offsets)
        assert where.get(offsets).tolist() == want_offsets
        assert list(columns) == list(want)
        for c, values in where.got(columns).items():
            assert values.dtype == want[c].dtype
            assert values.flags.c_contiguous
            assert np.array_equal(values, want[c])
    raw, byte_offsets = baskets(data / name, "KM3NETDAQ::JDAQEventHeader")
    got = where.got(decode.event_headers(*where.put(raw, byte_offsets)))
    want = reference.event_headers(raw, byte_offsets)
    assert list(got) == list(want)
    for c in want:
        assert got[c].dtype == want[c].dtype
        assert np.array_equal(got[c], want[c])


def test_known_values(where: Where, data: Path) -> None:
    raw, byte_offsets = baskets(data / "online/km3net_online.root", "snapshotHits")
    offsets, hits = decode.snapshot_hits(*where.put(raw, byte_offsets))
    hits = where.got(hits)
    assert where.get(offsets)[-1] == 298
    first = tuple(int(hits[c][0]) for c in ("dom_id", "channel_id", "tdc", "tot"))
    assert first == (806451572, 10, 30733918, 26)


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 9), max_size=8), seed=st.integers(0, 2**32 - 1))
def test_any_bytes_and_empty_entries(counts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    for size, function, expected in (
        (10, decode.snapshot_hits, reference.snapshot_hits),
        (24, decode.triggered_hits, reference.triggered_hits),
    ):
        raw, offsets = entries([(n, rng.bytes(size * n)) for n in counts])
        got_offsets, got = function(raw, offsets)
        want_offsets, want = expected(raw, offsets)
        assert got_offsets.tolist() == want_offsets
        assert all(np.array_equal(got[c], want[c]) for c in want)


def entries(vectors: list[tuple[int, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors as ROOT writes them: byte count, version, size, items."""
    parts = [struct.pack(">IHi", 0x40000006 + len(b), 1, n) + b for n, b in vectors]
    raw = np.frombuffer(bytearray(b"".join(parts)), np.uint8)
    return raw, np.concatenate([[0], np.cumsum([len(p) for p in parts])]).astype(np.int64)


def test_extreme_values(where: Where) -> None:
    snapshot = struct.pack(">iB", -(2**31), 255) + struct.pack("<IB", 2**32 - 1, 255)
    triggered = snapshot + bytes(6) + struct.pack(">Q", 2**64 - 2)
    _, got = decode.triggered_hits(*where.put(*entries([(1, triggered)])))
    assert {c: int(v[0]) for c, v in where.got(got).items()} == {
        "dom_id": -(2**31), "channel_id": 255, "tdc": 2**32 - 1, "tot": 255, "trig": 2**64 - 2,
    }  # fmt: skip


def test_names_the_first_entry_that_is_wrong(where: Where) -> None:
    good = (2, bytes(20))
    raw, offsets = entries([good, good, (2, bytes(19)), (1, bytes(3))])
    with pytest.raises(FormatError, match=r"29 bytes are not a vector of 10 byte hits \(in entry 2\)"):
        decode.snapshot_hits(*where.put(raw, offsets))
    raw, offsets = entries([good, (3, bytes(20)), (9, bytes(20))])
    with pytest.raises(FormatError, match=r"does not announce its 2 hits \(in entry 1\)"):
        decode.snapshot_hits(*where.put(raw, offsets))
    raw, offsets = entries([good, good])
    with pytest.raises(FormatError, match=r"bytes 30 to 60 are not there \(in entry 1\)"):
        decode.snapshot_hits(*where.put(raw[:-1], offsets))
    with pytest.raises(FormatError, match=r"bytes 30 to 10 are not there \(in entry 1\)"):
        decode.snapshot_hits(*where.put(raw, np.array([0, 30, 10])))
    with pytest.raises(FormatError, match=r"5 bytes are not a vector"):
        decode.triggered_hits(*where.put(np.zeros(5, "u1"), np.array([0, 5])))
    with pytest.raises(FormatError, match=r"77 bytes are not 76 bytes \(in entry 1\)"):
        decode.event_headers(*where.put(np.zeros(153, "u1"), np.array([0, 76, 153])))


def test_no_entries(where: Where) -> None:
    offsets, hits = decode.snapshot_hits(*where.put(np.zeros(0, "u1"), np.zeros(1, "i8")))
    assert where.get(offsets).tolist() == [0]
    assert all(len(c) == 0 for c in hits.values())
    assert all(len(c) == 0 for c in decode.event_headers(*where.put(np.zeros(0, "u1"), [0])).values())
    with pytest.raises(FormatError, match="byte offsets are empty"):
        decode.snapshot_hits(*where.put(np.zeros(0, "u1"), np.zeros(0, "i8")))
