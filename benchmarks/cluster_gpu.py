"""What one card could do at best with coincidences and triggers: computed from bytes and operations.

Nothing here was measured on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from benchmarks.harness import Row
from km3gpu.errors import MissingExtraError
from km3gpu.kernels import cubin, triggers
from km3gpu.kernels.registry import kernels
from km3gpu.kernels.roofline import CARDS, Card, roofline
from km3gpu.trigger.background import Background

__all__ = ["rows"]

CARD = next(c for c in CARDS if c.name == "H100 SXM")
LINK = 55.0  # GB/s, PCIe of the fifth generation, one way
HITS_PER_FRAME = 21_700  # 31 PMTs, 7 kHz, 0.1 s
CANDIDATES, DIRECTIONS, LEAST = 20, 423, 5
# operations by hand: three sums of three products; differences, squares and comparisons of a pair
PROJECT, PAIR = 15, 14


def rows() -> list[Row]:
    """Compute the roofline of decode, sort, L1 and scan on one card."""
    background = Background()
    per_hit = background.expected_l1_hz() / background.module_hz()  # coincidences per hit
    passes = math.ceil(math.log2(HITS_PER_FRAME))
    steps: list[tuple[str, str, float]] = [
        ("decode and calibrate", "fused.snapshot_hits", 1.0),
        (f"sort, {passes} merges", "segments.merge", float(passes)),
        ("mark coincidences", "coincidence.mark", 1.0),
        ("describe coincidences", "coincidence.describe", per_hit),
    ]
    best = _best([name for _, name, _ in steps])
    known = {k.name: k for k in kernels()}
    total, total_bytes, made = 0.0, 0.0, []
    for what, name, times in steps:
        ns, operations = best(name)
        size, ns = known[name].bytes_per_item * times, ns * times
        total, total_bytes = total + ns, total_bytes + size
        made.append(_row(what, size, operations * times, ns))
    scan_ns, scan = _scan(CARD)
    found = _row("decode, sort, L1, scan", total_bytes, 0, total + per_hit * scan_ns)
    slowest = 6 / LINK
    note = (
        f"{1 / (total + per_hit * scan_ns):.1f} Ghit/s; the link brings {1 / slowest:.1f} Ghit/s of 6 bytes"
    )
    return [*made, *scan, Row(**{**vars(found), "note": f"{note}; {found.note}"})]


def _row(what: str, size: float, operations: float, ns: float) -> Row:
    said = f"computed, not measured: {size:.0f} bytes" + (
        f", {operations:.0f} operations" if operations else ""
    )
    return Row(
        f"{CARD.name} at best: {what}", 1e3 * ns, "ps/hit", note=said,
        details={"bytes": size, "operations": operations, "computed": True},
    )  # fmt: skip


def _best(names: list[str]) -> Callable[[str], tuple[float, float]]:
    """Give the least ns per item of kernels, and their float64 operations where the compilers are here."""
    known = {k.name: k for k in kernels()}
    try:
        built = {c.kernel: c for c in reversed(cubin.report([CARD.architecture], names))}
    except MissingExtraError:
        return lambda name: (known[name].bytes_per_item / CARD.gigabytes_per_s, 0.0)
    return lambda name: (roofline(known[name], built[name], CARD), built[name].float64_operations)


def _scan(card: Card) -> tuple[float, list[Row]]:
    """Give the least ns per root that goes through all directions, and the rows of direction and root."""
    m = CANDIDATES
    every = PROJECT * (m + 1) + PAIR * m  # a direction with too few that match its root
    full = every + PAIR * m * (m - 1) / 2  # one in which all of them do
    root = PAIR * m * (m - 1) / 2 + DIRECTIONS * every
    kernel = next(k for k in triggers.KERNELS if k.name == "triggers.muon")
    rate = 1e3 * card.float64_teraflops  # operations per ns
    ns = max(root / rate, kernel.bytes_per_item / card.gigabytes_per_s)
    words = f"computed, not measured: {m} candidates"
    return ns, [
        Row(
            f"{card.name} at best: one direction", 1e3 * every / rate, "ps",
            note=f"{words}, 72 bytes of axes (shared by all roots), {every:.0f} operations, {full:.0f} where "
            "all match",
            details={"bytes": 72, "operations": every, "computed": True},
        ),
        Row(
            f"{card.name} at best: one root, {DIRECTIONS} directions", 1e3 * ns, "ps",
            note=f"{words}, {kernel.bytes_per_item:.0f} bytes, {root:.0f} operations",
            details={"bytes": kernel.bytes_per_item, "operations": root, "computed": True},
        ),
    ]  # fmt: skip
