"""Order of hits, and sums that do not depend on who adds them."""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = ["LANES", "comes_before", "time_key"]

# Sums of floats go through this many running sums that are then added in pairs,
# on every backend, so all round alike.
LANES = 32


@register_jitable
def time_key(bits: int) -> int:
    """Turn the bits of a float64 (as int64) into an int64 of the same order.

    -0.0 and 0.0 are one; NaN comes last.
    """
    b = int(bits)
    if b == -0x8000000000000000:
        return 0
    return b if b >= 0 else b ^ 0x7FFFFFFFFFFFFFFF


@register_jitable
def comes_before(dom_a: int, key_a: int, dom_b: int, key_b: int) -> bool:
    """Tell whether (module, time) a is strictly before b."""
    return bool(dom_a < dom_b or (dom_a == dom_b and key_a < key_b))
