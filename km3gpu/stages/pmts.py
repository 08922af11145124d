"""The PMT of every hit, and its properties as columns of hits."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from km3gpu import backend
from km3gpu.detector import Detector
from km3gpu.kernels import rows
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.table import Table

__all__ = ["lookup", "properties", "rows_of"]


@functools.lru_cache(maxsize=32)
def lookup(detector: Detector, where: backend.Backend, by_pmt: bool = False) -> PmtLookup:
    """Give the table of PMTs by (module, channel), or by PMT identifier, on a backend; kept there."""
    return (detector.lookup_by_pmt if by_pmt else detector.lookup).to(where)


def rows_of(table: Table, detector: Detector, by_pmt: bool = False) -> Any:
    """Give the row of the PMT of every hit, (n,) int32; negative where there is none.

    Parameters
    ----------
    table : Table
        With ``dom_id`` and ``channel_id``, or with ``pmt_id``.
    detector : Detector
        Whose PMTs.
    by_pmt : bool
        Find them by ``pmt_id``, as simulated hits hold it.
    """
    if not by_pmt:
        dom_id = table.flat("dom_id")
        return rows.pmt_rows(dom_id, table.flat("channel_id"), lookup(detector, backend.of(dom_id)))
    pmt_id = table.flat("pmt_id")
    channel = backend.namespace(pmt_id).zeros(len(pmt_id), np.uint8)  # that table has one PMT a "module"
    return rows.pmt_rows(pmt_id, channel, lookup(detector, backend.of(pmt_id), by_pmt=True))


def properties(detector: Detector, row: Any, names: Iterable[str]) -> dict[str, Any]:
    """Give properties of the PMT of every hit.

    Parameters
    ----------
    detector : Detector
        Whose PMTs.
    row : (n,) int32 array
        From `rows_of`.
    names : iterable of str
        ``"dom_id"``, ``"du"``, ``"floor"``, ``"channel_id"``, ``"pmt_id"``.

    Returns
    -------
    dict of str to (n,) int32 array
        -1 where there is no PMT.
    """
    xp, where = backend.namespace(row), backend.of(row)
    if not detector.n_pmts:
        return {n: xp.full(len(row), -1, np.int32) for n in names}
    known = row >= 0
    if bool(known.all()):
        return {n: xp.take(_property(detector, n, where), row) for n in names}
    there = xp.maximum(row, 0)
    return {n: xp.where(known, xp.take(_property(detector, n, where), there), np.int32(-1)) for n in names}


@functools.lru_cache(maxsize=64)
def _property(detector: Detector, name: str, where: backend.Backend) -> Any:
    """Give a property of every PMT, (m,) int32."""
    m = detector.modules
    if name == "pmt_id":
        column = detector.pmts.pmt_id
    elif name == "channel_id":
        column = (np.arange(detector.n_pmts) - np.repeat(m.first_row, m.n_pmts)).astype(np.int32)
    else:
        column = np.repeat(getattr(m, name), m.n_pmts)
    return where.to_device(column)
