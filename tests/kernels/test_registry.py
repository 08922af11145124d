from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from km3gpu.kernels import calibrate, coincidence, decode, fused, lookup, registry, segments
from km3gpu.kernels.launch import Kernel

from .conftest import Where
from .test_coincidence import USED, hits
from .test_decode import entries

KERNELS = {k.name: k for k in registry.kernels()}


def test_names_are_unique_and_modules_sorted() -> None:
    assert len(KERNELS) == len(registry.kernels())
    assert list(registry.MODULES) == sorted(registry.MODULES)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_entry_is_whole(kernel: Kernel) -> None:
    assert (kernel.block is None) == (kernel.blocks is None)
    assert kernel.bytes_per_item > 0
    if kernel.block is not None:
        # block(start, stop, *args) and blocks(n, n_blocks, *args) take the same arguments
        serial, parallel = (
            list(inspect.signature(f.py_func).parameters) for f in (kernel.block, kernel.blocks)
        )
        assert serial[:2] == ["start", "stop"]
        assert parallel[:2] == ["n", "n_blocks"]
        assert serial[2:] == parallel[2:]
    if kernel.signatures:
        device = list(inspect.signature(kernel.driver("cuda").py_func).parameters)
        assert device[0] == "n"
        assert device[-1] == "slot"
        assert {len(s) for s in kernel.signatures} == {len(device) - 2}
        assert len(set(kernel.signatures)) == len(kernel.signatures)
        assert 0 < kernel.registers <= 255
        assert kernel.threads_per_block % kernel.threads_per_item == 0
        if kernel.block is not None:
            assert device[1:-1] == serial[2:]
    assert kernel.block is not None or kernel.signatures


@pytest.fixture
def everything(where: Where, launched: list[Any]) -> set[tuple[str, tuple[str, ...]]]:
    """Launch every public function of this room in every way it knows."""
    table = where.lookup(lookup.build([1], [0], [31], np.zeros((31, 7))))
    for small in ("u1", "u4"):
        for dtype in ("f8", "f4"):
            ones = where.put(np.ones(3, "i4"), np.ones(3, small), np.ones(3, "u4"), np.ones(3, small))
            calibrate.hits(*ones, table, dtype=dtype)
            calibrate.pmt_hits(ones[0], table, dtype=dtype)
        h = hits([5, 2])
        h |= {c: h[c].astype(small) for c in ("channel_id", "tot")}
        coincidence.same_module(*where.put(*(h[c] for c in USED)))
    decode.snapshot_hits(*where.put(*entries([(1, bytes(10))])))
    for dtype in ("f8", "f4"):
        module = b"\0\0\0\1"
        fused.snapshot_hits(*where.put(*entries([(1, module + bytes(6))])), table, dtype=dtype)
        fused.triggered_hits(*where.put(*entries([(1, module + bytes(20))])), table, dtype=dtype)
    decode.triggered_hits(*where.put(*entries([(1, bytes(24))])))
    decode.event_headers(*where.put(np.zeros(76, "u1"), [0, 76]))
    for dtype in ("f8", "i8"):
        rows = where.put([0, 2], np.zeros(2, dtype))
        for function in (segments.total, segments.minimum, segments.maximum):
            function(*rows)
    return set(launched)


def test_signatures_are_those_that_are_launched(
    where: Where, everything: set[tuple[str, tuple[str, ...]]]
) -> None:
    mine = {"calibrate", "coincidence", "decode", "fused", "segments"}
    registered = {(k.name, s) for k in KERNELS.values() for s in k.signatures if k.name.split(".")[0] in mine}
    on_cpu = where.name in ("serial", "parallel")
    here = {(n, s) for n, s in everything if KERNELS[n].signatures}
    expected = {(n, s) for n, s in registered if not (on_cpu and KERNELS[n].block is None)}
    assert here == expected
