"""From the identifier of a module and a channel to the row of a PMT.

The table is open addressing with linear probing over a multiply-shift hash, so
a hit costs one or two loads whatever the order of the hits, and the row of a PMT
is one cache line: time offset, position and axis beside each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import GeometryError

__all__ = ["COLUMNS", "PmtLookup", "build"]

COLUMNS = ("t0", "pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_WIDTH = 8
# Sparse tables rarely probe twice; large ones would no longer stay in the cache.
_SPARSE, _LARGE = 8, 4096
_TRIALS = 64
_LINE = 64


class PmtLookup(NamedTuple):
    """Flat arrays that take (identifier, channel) to a row of seven values.

    Attributes
    ----------
    slots : (4 * n_slots,) int32 array
        Identifier, first row and number of PMTs (-1: empty slot), and a spare.
    rows : (8 * (n_rows + 1),) float64 array
        `COLUMNS` and a spare; the last row is NaN, for hits that have none.
    multiplier, shift : int
        Of the hash; see `km3gpu.kernels.scalar.lookup.first_slot`.
    """

    slots: Any
    rows: Any
    multiplier: int
    shift: int

    def to(self, where: _backend.Backend) -> PmtLookup:
        """Give the same table with its arrays on the backend `where`."""
        return self._replace(slots=where.to_device(self.slots), rows=where.to_device(self.rows))


def build(identifier: Any, first_row: Any, n_pmts: Any, rows: Any) -> PmtLookup:
    """Build the table.

    Parameters
    ----------
    identifier : (n,) int array
        Identifiers of the modules, each once; any int32.
    first_row : (n,) int array
        Row of each module's channel 0.
    n_pmts : (n,) int array
        Number of PMTs of each module, 0 for base modules.
    rows : (n_rows, 7) float64 array
        One row per PMT: `COLUMNS` in ns, m and as a unit vector.

    Returns
    -------
    PmtLookup
        On the host.

    Raises
    ------
    GeometryError
        A module comes twice, an identifier is no int32, or rows are missing.
    """
    identifier, first_row, n_pmts = (np.asarray(a, dtype=np.int64) for a in (identifier, first_row, n_pmts))
    rows = np.asarray(rows, dtype=np.float64).reshape(-1, len(COLUMNS))
    _check(identifier, first_row, n_pmts, len(rows))

    n = len(identifier)
    bits = max(3, (n * (_SPARSE if n <= _LARGE else 2)).bit_length())
    shift = 32 - bits
    multiplier = _best_multiplier(identifier, shift)
    slots = np.zeros((1 << bits, 4), np.int32)
    slots[:, 2] = -1
    homes = _homes(identifier, multiplier, shift)
    for k in range(n):
        s = int(homes[k])
        while slots[s, 2] >= 0:
            s = (s + 1) & ((1 << bits) - 1)
        slots[s, :3] = identifier[k], first_row[k], n_pmts[k]

    padded = _aligned(len(rows) + 1)
    padded[:-1, :7] = rows
    padded[:-1, 7] = 0.0
    padded[-1] = np.nan
    return PmtLookup(slots.reshape(-1), padded.reshape(-1), multiplier, shift)


def _check(identifier: Any, first_row: Any, n_pmts: Any, n_rows: int) -> None:
    known, counts = np.unique(identifier, return_counts=True)
    if (counts > 1).any():
        raise GeometryError(
            f"module {int(known[counts > 1][0])} comes {int(counts.max())} times",
            remedy="identifiers must be unique",
        )
    limits = np.iinfo(np.int32)
    if len(known) and (known[0] < limits.min or known[-1] > limits.max):
        raise GeometryError("an identifier of a module does not fit 32 bits")
    if (n_pmts < 0).any() or (first_row < 0).any() or (first_row + n_pmts > n_rows).any():
        raise GeometryError(f"modules ask for rows that are not there ({n_rows} PMT rows)")


def _best_multiplier(identifier: Any, shift: int) -> int:
    """Try some odd multipliers and take the one that displaces the fewest identifiers."""
    tries = np.random.default_rng(20240229).integers(1 << 29, 1 << 30, _TRIALS) * 2 + 1
    distinct = [len(np.unique(_homes(identifier, int(m), shift))) for m in tries]
    return int(tries[int(np.argmax(distinct))])


def _homes(identifier: Any, multiplier: int, shift: int) -> Any:
    return (((identifier & 0xFFFFFFFF) * multiplier) & 0xFFFFFFFF) >> shift


def _aligned(n: int) -> Any:
    """Make (n, 8) float64 whose rows begin on a cache line each."""
    raw = np.empty(n * _WIDTH * 8 + _LINE, np.uint8)
    skip = -raw.ctypes.data % _LINE
    return raw[skip : skip + n * _WIDTH * 8].view(np.float64).reshape(n, _WIDTH)
