from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from km3gpu.errors import FormatError, GeometryError, KernelError
from km3gpu.kernels import calibrate, decode, fused, lookup
from km3gpu.kernels.reference import fused as reference

from .conftest import SIMULATED, Where
from .test_decode import baskets, entries


def detector(
    raw: np.ndarray, byte_offsets: np.ndarray
) -> tuple[lookup.PmtLookup, dict[tuple[int, int], np.ndarray]]:
    """A detector that has just the modules of these hits."""
    modules = np.unique(decode.snapshot_hits(raw, byte_offsets)[1]["dom_id"])
    rows = np.random.default_rng(4).normal(size=(len(modules) * 31, 7)) * 1e3
    pmts = {(int(m), c): rows[31 * k + c] for k, m in enumerate(modules) for c in range(31)}
    return lookup.build(modules, np.arange(len(modules)) * 31, np.full(len(modules), 31), rows), pmts


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("branch", ["snapshotHits", "triggeredHits"])
def test_agrees_with_the_reference_and_with_two_steps(
    where: Where, data: Path, branch: str, dtype: str
) -> None:
    path = data / "online/events_sample.root"
    table, pmts = detector(*baskets(path, "snapshotHits"))
    raw, byte_offsets = baskets(path, branch)
    if SIMULATED:
        byte_offsets = byte_offsets[:3]
    function = branch.replace("Hits", "_hits")
    offsets, columns = getattr(fused, function)(
        *where.put(raw, byte_offsets), where.lookup(table), slewing=calibrate.SLEWING, dtype=dtype
    )
    got = where.got(columns)
    want_offsets, want = getattr(reference, function)(raw, byte_offsets, pmts, calibrate.SLEWING)
    assert where.get(offsets).tolist() == want_offsets
    assert list(got) == list(want)
    for c, values in want.items():
        assert np.array_equal(got[c], values.astype(got[c].dtype)), c
    assert got["dir_x"].dtype == np.dtype(dtype)
    _, stored = getattr(decode, function)(*where.put(raw, byte_offsets))
    two = calibrate.hits(
        *(stored[c] for c in ("dom_id", "channel_id", "tdc", "tot")),
        where.lookup(table), slewing=calibrate.SLEWING, dtype=dtype,
    )  # fmt: skip
    assert all(np.array_equal(where.get(v), got[c]) for c, v in {**stored, **two}.items())


def test_many_events_cross_the_pieces(where: Where, data: Path) -> None:
    raw, byte_offsets = baskets(data / "online/muon_cc_daqevents.root", "snapshotHits")
    if SIMULATED:
        byte_offsets = byte_offsets[:2]
        raw = raw[: byte_offsets[1]]
    table, _ = detector(raw, byte_offsets)
    offsets, columns = fused.snapshot_hits(*where.put(raw, byte_offsets), where.lookup(table))
    want_offsets, stored = decode.snapshot_hits(*where.put(raw, byte_offsets))
    two = calibrate.hits(*stored.values(), where.lookup(table))
    assert np.array_equal(where.get(offsets), where.get(want_offsets))
    assert all(np.array_equal(where.get(v), where.get(columns[c])) for c, v in {**stored, **two}.items())


def test_entries_of_every_length(where: Where) -> None:
    lengths = [0, 1, 7, 8, 9, 0, 0, 16, 17, 33]
    rng = np.random.default_rng(0)
    table = lookup.build([0], [0], [256], rng.normal(size=(256, 7)))
    # module 0, any channel, time and time over threshold
    hits = [b"".join(bytes(4) + rng.bytes(6) for _ in range(n)) for n in lengths]
    raw, byte_offsets = entries(list(zip(lengths, hits, strict=True)))
    offsets, columns = fused.snapshot_hits(*where.put(raw, byte_offsets), where.lookup(table))
    assert np.diff(where.get(offsets)).tolist() == lengths
    _, stored = decode.snapshot_hits(*where.put(raw, byte_offsets))
    two = calibrate.hits(*stored.values(), where.lookup(table))
    assert all(np.array_equal(where.get(columns[c]), where.get(v)) for c, v in {**stored, **two}.items())


def test_names_what_is_wrong(where: Where) -> None:
    table = where.lookup(lookup.build([0], [0], [4], np.ones((4, 7))))
    hit = bytes(4) + b"\3" + bytes(5)
    raw, byte_offsets = entries([(2, 2 * hit), (0, b""), (3, hit + b"\0\0\0\1" + bytes(6) + hit)])
    with pytest.raises(GeometryError, match=r"module 1 is not .*\(in hit 1 of event 2\)"):
        fused.snapshot_hits(*where.put(raw, byte_offsets), table)
    got = where.got(fused.snapshot_hits(*where.put(raw, byte_offsets), table, missing="nan")[1])
    assert np.isnan(got["t"]).tolist() == [False, False, False, True, False]
    assert np.isnan(got["dir_z"]).tolist() == [False, False, False, True, False]
    raw, byte_offsets = entries([(1, bytes(4) + b"\4" + bytes(5))])
    with pytest.raises(GeometryError, match="channel 4 of module 0"):
        fused.snapshot_hits(*where.put(raw, byte_offsets), table)
    with pytest.raises(FormatError, match="announce"):
        fused.snapshot_hits(*where.put(*entries([(2, hit)])), table)


def test_writes_where_it_is_told(where: Where) -> None:
    table = where.lookup(lookup.build([0], [0], [4], np.ones((4, 7))))
    raw, byte_offsets = entries([(2, bytes(20))])
    _, first = fused.snapshot_hits(*where.put(raw, byte_offsets), table)
    _, second = fused.snapshot_hits(*where.put(raw, byte_offsets), table, out=first)
    assert all(second[c] is first[c] for c in first)
    with pytest.raises(KernelError, match=r"out\['tdc'\] is no contiguous uint32 column of 2 rows"):
        fused.snapshot_hits(*where.put(raw, byte_offsets), table, out=first | {"tdc": first["t"]})
