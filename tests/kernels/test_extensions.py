"""What others add to numba is there for who needs it, and not before."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import sys, numba, numpy as np
from km3gpu.kernels.segments import total
assert total(np.array([0, 2]), np.array([1.0, 3.0]))[0] == 4
assert "awkward" not in sys.modules, "loaded for a kernel"

import awkward as ak  # as a module of a user would, after kernels have run

@numba.njit
def longest(lists):
    most = 0
    for one in lists:
        most = max(most, len(one))
    return most

assert longest(ak.Array([[1, 2], [], [3, 4, 5]])) == 3
"""


def test_awkward_is_loaded_by_who_has_its_arrays() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert not done.returncode, done.stderr
