from __future__ import annotations

import numpy as np
import pytest

from km3gpu.errors import ConfigError
from km3gpu.trigger.grid import directions


@pytest.mark.parametrize(("spacing", "n"), [(10.0, 423), (5.0, 1667), (90.0, 6)])
def test_every_direction_has_one_nearby(spacing: float, n: int) -> None:
    grid = directions(spacing)
    assert len(grid) == n
    assert np.allclose(np.linalg.norm(grid, axis=1), 1.0)
    rng = np.random.default_rng(1)
    any_ = rng.normal(size=(500, 3))
    any_ /= np.linalg.norm(any_, axis=1, keepdims=True)
    nearest = np.degrees(np.arccos(np.clip((any_ @ grid.T).max(axis=1), -1, 1)))
    assert nearest.max() < 0.75 * spacing


@pytest.mark.parametrize("spacing", [0.5, 200.0, float("nan")])
def test_spacings_that_cannot_be(spacing: float) -> None:
    with pytest.raises(ConfigError, match="take 1 to 180"):
        directions(spacing)
