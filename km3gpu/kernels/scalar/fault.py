"""How a kernel says what went wrong: one int64 for the first bad item.

Kernels do not raise.  They fold the index of an item and a code into one
number and keep the smallest, so the item with the lowest index is named
whatever the order of execution.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

__all__ = ["NONE", "fault", "split"]

NONE = int(np.iinfo(np.int64).max)
_CODES = 256


@register_jitable
def fault(index: int, code: int) -> int:
    """Fold an item's index and a code (1 to 255) into one number."""
    return int(index) * 256 + int(code)


def split(packed: int) -> tuple[int, int]:
    """Give index and code of a fault that is not `NONE`."""
    return divmod(int(packed), _CODES)
