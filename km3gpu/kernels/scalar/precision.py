"""One source for float32 and float64: the type of an argument decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

__all__ = ["cast"]


def cast(value: Any, like: Any) -> Any:
    """Give `value` in the type of `like`; a bare literal would make float32 float64."""
    return type(like)(value)


@overload(cast, strict=False)  # its arguments bear annotations, the lambdas none
def _cast(value: Any, like: Any) -> Callable[[Any, Any], Any]:
    if like is types.float32:
        return lambda value, like: np.float32(value)
    return lambda value, like: np.float64(value)
