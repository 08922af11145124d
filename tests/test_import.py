"""``import km3gpu`` costs next to nothing, and its names come when they are used."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = [
    "astropy",
    "awkward",
    "cupy",
    "dask",
    "distributed",
    "h5py",
    "matplotlib",
    "numba",
    "pandas",
    "pyarrow",
    "rich",
    "torch",
    "typer",
    "uproot",
]

PROBE = """
import json, sys, time
start = time.process_time()
import km3gpu
spent = time.process_time() - start
print(json.dumps([spent, sorted(sys.modules)]))
"""


def probe(extra=""):
    run = subprocess.run([sys.executable, "-c", PROBE + extra], capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[0])


def test_costs_under_300_ms_of_cpu():
    assert min(probe()[0] for _ in range(3)) < 0.3


def test_imports_nothing_heavy():
    _, modules = probe()
    assert not {m.partition(".")[0] for m in modules} & set(HEAVY)


def test_every_public_name_is_there():
    import km3gpu

    for name in km3gpu.__all__:
        assert getattr(km3gpu, name) is not None
    assert set(km3gpu.__all__) <= set(dir(km3gpu))


def test_unknown_name_is_an_attribute_error():
    import km3gpu

    with pytest.raises(AttributeError, match="module 'km3gpu' has no attribute 'nothing'"):
        _ = km3gpu.nothing


def test_version_is_that_of_the_package():
    import importlib.metadata

    import km3gpu

    assert km3gpu.__version__ == importlib.metadata.version("km3gpu")
