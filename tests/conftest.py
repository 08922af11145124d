"""What every test may use: the real files of km3net-testdata."""

from __future__ import annotations

import os
from pathlib import Path

import km3net_testdata
import pytest

DATA = Path(km3net_testdata.__file__).parent / "data"
os.environ["KM3GPU_CATALOGUE"] = "none"  # tests are no runs that anybody will look for


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real KM3NeT files."""
    return DATA
