"""Expressions over the columns of a chunk, as plans write them: ``"tot > 20 & trig > 0"``.

Parsed into a tree of a few known nodes and computed with NumPy or CuPy; nothing
is ever given to `eval`.
"""

from __future__ import annotations

from km3gpu.expressions.expression import Expression
from km3gpu.expressions.grammar import FUNCTIONS, REDUCTIONS

__all__ = ["FUNCTIONS", "REDUCTIONS", "Expression"]
