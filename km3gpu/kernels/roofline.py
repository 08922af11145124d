"""How fast a kernel could be at best: computed from byte counts, not measured.

Occupancy follows from the registers that ptxas gives and the limits of the
architecture; the roofline from the bytes that an item moves and the card's
memory bandwidth, or from its double-precision rate where that is slower.  No
figure here was taken on a GPU.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from km3gpu.errors import UnknownNameError
from km3gpu.kernels.examples import EXAMPLES
from km3gpu.kernels.launch import Kernel, Launch, recording, threads
from km3gpu.kernels.ptxas import Architecture, Cubin
from km3gpu.kernels.registry import kernels

__all__ = ["CARDS", "LIMITS", "Card", "Limits", "cpu_times", "lines", "occupancy", "roofline"]


class Limits(NamedTuple):
    """What one multiprocessor holds at once (CUDA C++ Programming Guide, compute capabilities).

    Attributes
    ----------
    threads, blocks : int
        Most resident threads and blocks.
    shared_bytes : int
        Shared memory.
    reserved_bytes : int
        Of that, taken by the system for each block.
    """

    threads: int
    blocks: int
    shared_bytes: int
    reserved_bytes: int


_KIB = 1024
LIMITS: dict[Architecture, Limits] = {
    (7, 0): Limits(2048, 32, 96 * _KIB, 0),
    (7, 5): Limits(1024, 16, 64 * _KIB, 0),
    (8, 0): Limits(2048, 32, 164 * _KIB, _KIB),
    (8, 6): Limits(1536, 16, 100 * _KIB, _KIB),
    (8, 9): Limits(1536, 24, 100 * _KIB, _KIB),
    (9, 0): Limits(2048, 32, 228 * _KIB, _KIB),
    (10, 0): Limits(2048, 32, 228 * _KIB, _KIB),
    (12, 0): Limits(1536, 24, 100 * _KIB, _KIB),
}
# 65,536 registers, given to warps in units of 256; four schedulers share them
_REGISTERS, _UNIT, _SCHEDULERS, _WARP = 65_536, 256, 4, 32


class Card(NamedTuple):
    """A GPU as its maker describes it.

    Attributes
    ----------
    name : str
        Product.
    architecture : tuple of int
        Compute capability.
    gigabytes_per_s : float
        Memory bandwidth.
    float64_teraflops : float
        Double precision, without tensor cores.
    """

    name: str
    architecture: Architecture
    gigabytes_per_s: float
    float64_teraflops: float


CARDS = (
    Card("V100 SXM2", (7, 0), 900, 7.8),
    Card("T4", (7, 5), 320, 0.25),
    Card("A100 SXM 80 GB", (8, 0), 2039, 9.7),
    Card("A40", (8, 6), 696, 0.58),
    Card("L40S", (8, 9), 864, 1.4),
    Card("H100 SXM", (9, 0), 3350, 34),
    Card("B200", (10, 0), 8000, 37),
    Card("RTX PRO 6000 Blackwell", (12, 0), 1792, 1.9),
)


def occupancy(kernel: Kernel, made: Cubin) -> float:
    """Give the share of a multiprocessor's threads that can be resident.

    Parameters
    ----------
    kernel : Kernel
        For its block size.
    made : Cubin
        For registers and shared memory on one architecture.

    Returns
    -------
    float
        Of 1.
    """
    limits = LIMITS[made.architecture]
    warps = kernel.threads_per_block // _WARP
    per_warp = -(-made.registers * _WARP // _UNIT) * _UNIT
    by_registers = _REGISTERS // _SCHEDULERS // per_warp * _SCHEDULERS // warps
    by_shared = limits.shared_bytes // max(1, made.shared_bytes + limits.reserved_bytes)
    blocks = min(limits.blocks, limits.threads // kernel.threads_per_block, by_registers, by_shared)
    return blocks * kernel.threads_per_block / limits.threads


def roofline(kernel: Kernel, made: Cubin, card: Card) -> float:
    """Give the least time per item on a card, in ns: of its bytes, or of its float64 operations.

    Every operation in the code is counted once, loops too.
    """
    memory = kernel.bytes_per_item / card.gigabytes_per_s
    return max(memory, made.float64_operations / card.float64_teraflops / 1000)


def cpu_times(n: int = 200_000, repeats: int = 5) -> dict[str, float]:
    """Measure the serial CPU drivers on made-up data.

    Parameters
    ----------
    n : int
        Rows of the data.
    repeats : int
        Runs of which the median counts.

    Returns
    -------
    dict of str to float
        By kernel: CPU time per item, ns.
    """
    times: dict[str, float] = {}
    with threads(1):
        for example in EXAMPLES.values():
            with recording() as launches:
                example(np.random.default_rng(1), n, lambda array: array)
            for launch in launches:
                times.setdefault(launch.kernel.name, _time(launch, repeats))
    return times


def _time(launch: Launch, repeats: int) -> float:
    took = []
    for _ in range(repeats):
        start = time.process_time()
        launch.again()
        took.append(time.process_time() - start)
    return 1e9 * statistics.median(took) / launch.n


@dataclass(frozen=True)
class Line:
    """One kernel with one signature on one architecture, in words and numbers.

    Attributes
    ----------
    computed : str
        Says that occupancy and roofline were computed and not measured.
    cpu_ns : float or None
        Measured, on one core of this machine.
    """

    kernel: str
    signature: str
    architecture: str
    item: str
    registers: int
    ceiling: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int
    good: bool
    occupancy: float
    bytes_per_item: float
    float64_operations: int
    card: str
    roofline_ns: float
    cpu_ns: float | None
    computed: str = "occupancy and roofline are computed, not measured"

    def as_dict(self) -> dict[str, Any]:
        """Give the line for JSON."""
        return asdict(self)


def lines(made: Iterable[Cubin], measured: dict[str, float] | None = None) -> list[Line]:
    """Put together what is known of kernels.

    Parameters
    ----------
    made : iterable of Cubin
        From `km3gpu.kernels.cubin.report`.
    measured : dict of str to float, optional
        From `cpu_times`.

    Returns
    -------
    list of Line
        One for each of `made`, with the card of `CARDS` of its architecture.
    """
    known = {k.name: k for k in kernels()}
    cards = {card.architecture: card for card in CARDS}
    measured = measured or {}
    out = []
    for m in made:
        if m.kernel not in known:
            raise UnknownNameError.of("kernel", m.kernel, known)
        kernel, card = known[m.kernel], cards[m.architecture]
        out.append(
            Line(
                m.kernel, m.signature, f"sm_{m.architecture[0]}{m.architecture[1]}", kernel.item,
                m.registers, m.ceiling, m.spill_bytes, m.stack_bytes, m.shared_bytes, m.good,
                round(occupancy(kernel, m), 3), kernel.bytes_per_item, m.float64_operations,
                card.name, roofline(kernel, m, card), measured.get(m.kernel),
            )
        )  # fmt: skip
    return out
