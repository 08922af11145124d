"""Eight rows of eight float64 at once to columns, in vector registers.

Taking rows apart into columns one float64 at a time is what bounds calibration
on a CPU.  This reads eight rows, turns the 8 x 8 block around in registers and
writes eight neighbours of each column in one go; LLVM fits the vectors to what
the machine has.  Columns too large for the caches are written past them: the
lines are whole, so nothing has to be fetched first, and the table that is being
read stays in the cache.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["finish_stores", "rows_to_columns"]

_I32, _I64, _F32, _F64 = ir.IntType(32), ir.IntType(64), ir.FloatType(), ir.DoubleType()
_ROWS = 8


@intrinsic
def rows_to_columns(
    typingctx: Any,
    rows: Any,
    starts: Any,
    first: Any,
    at: Any,
    past: Any,
    c0: Any,
    c1: Any,
    c2: Any,
    c3: Any,
    c4: Any,
    c5: Any,
    c6: Any,
) -> Any:
    """Write `first` and columns 1 to 6 of eight rows to ``c0[at:at + 8]`` ... ``c6[at:at + 8]``.

    Parameters
    ----------
    rows : (n * 8,) float64 array
        Rows of eight values.
    starts : (8,) int64 or uint64 array
        Where in `rows` each of the eight rows begins.
    first : (8,) float64 array
        What goes to the first column instead.
    at : int
        First item of the columns to write.
    past : bool
        Write past the caches where the columns are aligned; call `finish_stores`
        when all is written.
    c0, ..., c6 : float64 or float32 arrays
        The columns.
    """
    columns = (c0, c1, c2, c3, c4, c5, c6)
    signature = types.void(rows, starts, first, at, past, *columns)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def data(k: int) -> Any:
            return context.make_array(signature.args[k])(context, builder, args[k]).data

        def mix(a: Any, b: Any, order: list[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, _ROWS), order))

        def eight_at(pointer: Any) -> Any:
            value = builder.load(builder.bitcast(pointer, eight.as_pointer()))
            value.align = 8
            return value

        eight = ir.VectorType(_F64, _ROWS)
        r = []
        for k in range(_ROWS):
            start = builder.load(builder.gep(data(1), [ir.Constant(_I64, k)]))
            r.append(eight_at(builder.gep(data(0), [start])))
        # the usual three rounds: pairs of neighbours, of pairs, of fours
        p = []
        for k in range(0, _ROWS, 2):
            p.append(mix(r[k], r[k + 1], [0, 8, 2, 10, 4, 12, 6, 14]))
            p.append(mix(r[k], r[k + 1], [1, 9, 3, 11, 5, 13, 7, 15]))
        q = [None] * _ROWS
        for k in (0, 1, 4, 5):
            q[k] = mix(p[k], p[k + 2], [0, 1, 8, 9, 4, 5, 12, 13])
            q[k + 2] = mix(p[k], p[k + 2], [2, 3, 10, 11, 6, 7, 14, 15])
        c = [None] * _ROWS
        for k in range(4):
            c[k] = mix(q[k], q[k + 4], [0, 1, 2, 3, 8, 9, 10, 11])
            c[k + 4] = mix(q[k], q[k + 4], [4, 5, 6, 7, 12, 13, 14, 15])
        c[0] = eight_at(data(2))

        ready, astray = [], ir.Constant(_I64, 0)
        for k, column in enumerate(columns):
            value, element, width = c[k], _F64, 8
            if column.dtype == types.float32:
                element, width = _F32, 4
                value = builder.fptrunc(value, ir.VectorType(element, _ROWS))
            target = builder.gep(data(5 + k), [args[3]])
            off = builder.and_(builder.ptrtoint(target, _I64), ir.Constant(_I64, _ROWS * width - 1))
            astray = builder.or_(astray, off)
            ready.append((value, builder.bitcast(target, ir.VectorType(element, _ROWS).as_pointer()), width))
        asked = context.cast(builder, args[4], signature.args[4], types.boolean)
        aligned = builder.icmp_unsigned("==", astray, ir.Constant(_I64, 0))
        # the mark is LLVM's own for such stores (Language Reference, "nontemporal")
        mark = builder.module.add_metadata([ir.Constant(_I32, 1)])
        with builder.if_else(builder.and_(asked, aligned)) as (past_caches, through_caches):
            with past_caches:
                for value, target, width in ready:
                    store = builder.store(value, target, align=_ROWS * width)
                    store.set_metadata("nontemporal", mark)
            with through_caches:
                for value, target, width in ready:
                    builder.store(value, target, align=width)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def finish_stores(typingctx: Any) -> Any:
    """Make what was written past the caches visible to all threads."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), codegen
