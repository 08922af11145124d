"""A minute of damaged bytes for the decoders; `KM3GPU_FUZZ_SECONDS` makes it longer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("KM3GPU_FUZZ_SECONDS", "60")) // 5


@pytest.mark.parametrize("target", ["daq", "dump", "evt", "detx", "datx"])
def test_damaged_bytes_give_errors_of_ours_or_data(target, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "numba"  # kernels that check their bounds
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.decoders", target, "--seconds", str(SECONDS)],
        cwd=ROOT,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", run.stderr)
    assert runs is not None, run.stderr[-3000:]
    assert int(runs.group(1)) > 100
