from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from km3gpu.backend import Backend
from km3gpu.kernels import launch, registry
from km3gpu.kernels.examples import EXAMPLES
from km3gpu.kernels.lookup import PmtLookup

from .conftest import SIMULATED, Where


def put(where: Where) -> Any:
    return lambda a: where.lookup(a) if isinstance(a, PmtLookup) else where.put(a)


def test_there_is_one_for_every_module_and_kernel() -> None:
    on_gpu = {k.name for k in registry.kernels() if k.signatures}
    assert set(EXAMPLES) == {name.split(".")[0] for name in on_gpu}
    seen: set[str] = set()
    for example in EXAMPLES.values():
        with launch.recording() as launches, launch.threads(1):
            example(np.random.default_rng(0), 300, lambda a: a)
        seen |= {one.kernel.name for one in launches}
    # a GPU sorts by merging, the CPU does not; it adds up columns, the CPU goes through events
    assert seen == on_gpu - {"segments.merge"} | {"segments.order", "moments.about"}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("n", [0, 33] if SIMULATED else [0, 1, 33, 3000])
def test_every_backend_gives_the_same(
    where: Where, monkeypatch: pytest.MonkeyPatch, name: str, n: int
) -> None:
    got = where.got(EXAMPLES[name](np.random.default_rng(n), n, put(where)))
    # the serial CPU drivers, in the simulator's process too
    monkeypatch.setattr(launch, "_simulated", False)
    with launch.threads(1):
        serial = EXAMPLES[name](np.random.default_rng(n), n, lambda a: a)
    assert list(got) == list(serial)
    for key, values in serial.items():
        assert got[key].dtype == values.dtype, key
        if values.dtype.kind == "f":
            # the simulator's sines and cosines are Python's, not the compiler's
            assert np.allclose(
                got[key], values, rtol=0, atol=1e-14 * (name in ("sky", "healpix")), equal_nan=True
            ), key
        else:
            assert np.array_equal(got[key], values), key


def test_launches_are_recorded_as_they_were(where: Where) -> None:
    with launch.recording() as outer:
        with launch.recording() as inner:
            EXAMPLES["rows"](np.random.default_rng(0), 40, put(where))
        EXAMPLES["rows"](np.random.default_rng(0), 40, put(where))
    assert (len(inner), len(outer)) == (1, 2)
    (one,) = inner
    assert (one.kernel.name, one.n) == ("rows.pmt_rows", 40)
    assert one.where == Backend("cpu" if where.name in ("serial", "parallel") else where.name).name
    out = one.args[-1]
    out[...] = -7
    assert one.again() == launch.NONE
    assert (where.get(out) >= 0).all()
