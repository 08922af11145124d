"""One source for float32 and float64, and for one event at a time and several."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

__all__ = ["cast", "square_root"]


def cast(value: Any, like: Any) -> Any:
    """Give `value` in the type of `like`; a bare literal would make float32 float64."""
    return type(like)(value)


@overload(cast, strict=False)  # its arguments bear annotations, the lambdas none
def _cast(value: Any, like: Any) -> Callable[[Any, Any], Any]:
    if like is types.float32:
        return lambda value, like: np.float32(value)
    return lambda value, like: np.float64(value)


def square_root(x: Any) -> Any:
    """Give the square root of a float64; `math.sqrt` as LLVM's own instruction.

    numba turns `math.sqrt` into a call of the C library, and a loop with a call does one
    event at a time.
    """
    return math.sqrt(x)


@intrinsic
def _llvm_sqrt(typing_context: Any, x: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.sqrt", [args[0].type])
        return builder.call(function, args)

    return types.float64(types.float64), generate


@overload(square_root, strict=False)
def _square_root(x: Any) -> Callable[[Any], Any]:
    return lambda x: _llvm_sqrt(x)
