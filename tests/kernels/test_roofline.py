from __future__ import annotations

import dataclasses

import pytest

from km3gpu.errors import UnknownNameError
from km3gpu.kernels import registry, roofline
from km3gpu.kernels.cubin import ARCHITECTURES, Cubin

HITS = next(k for k in registry.kernels() if k.name == "calibrate.hits")


def made(registers: int, shared: int = 0, architecture: tuple[int, int] = (8, 0), ops: int = 0) -> Cubin:
    return Cubin("calibrate.hits", "", architecture, registers, 255, 0, 0, shared, 1000, ops)


@pytest.mark.parametrize(
    ("registers", "shared", "architecture", "share"),
    [
        # as CUDA's occupancy calculator has it, blocks of 256 threads
        (32, 0, (8, 0), 1.0),
        (40, 0, (8, 0), 0.75),
        (64, 0, (8, 0), 0.5),
        (128, 0, (8, 0), 0.25),
        (40, 0, (7, 5), 1.0),
        (64, 0, (8, 6), 4 * 256 / 1536),
        (40, 0, (8, 9), 1.0),
        (32, 48 * 1024, (8, 0), 3 * 256 / 2048),
        (32, 48 * 1024, (7, 0), 2 * 256 / 2048),
    ],
)
def test_occupancy(registers: int, shared: int, architecture: tuple[int, int], share: float) -> None:
    assert roofline.occupancy(HITS, made(registers, shared, architecture)) == pytest.approx(share)


def test_small_blocks_run_out_of_blocks() -> None:
    small = dataclasses.replace(HITS, threads_per_block=32)
    assert roofline.occupancy(small, made(32)) == pytest.approx(32 * 32 / 2048)


def test_the_roofline_is_memory_or_arithmetic() -> None:
    card = roofline.Card("a card", (8, 0), gigabytes_per_s=1000, float64_teraflops=2)
    assert HITS.bytes_per_item == 66
    assert roofline.roofline(HITS, made(32, ops=2), card) == pytest.approx(0.066)
    assert roofline.roofline(HITS, made(32, ops=1000), card) == pytest.approx(0.5)


def test_every_architecture_has_limits_and_a_card() -> None:
    assert set(roofline.LIMITS) == set(ARCHITECTURES) == {c.architecture for c in roofline.CARDS}


def test_lines() -> None:
    lines = roofline.lines([made(40), made(40, architecture=(9, 0))], {"calibrate.hits": 5.5})
    assert [(x.architecture, x.card) for x in lines] == [("sm_80", "A100 SXM 80 GB"), ("sm_90", "H100 SXM")]
    assert {x.cpu_ns for x in lines} == {5.5}
    assert all("not measured" in x.as_dict()["computed"] for x in lines)
    assert roofline.lines([made(40)])[0].cpu_ns is None
    with pytest.raises(UnknownNameError, match=r"calibrate\.hit'; there is: calibrate\.hits"):
        roofline.lines([dataclasses.replace(made(40), kernel="calibrate.hit")])


def test_cpu_times_are_those_of_all_kernels() -> None:
    times = roofline.cpu_times(n=2000, repeats=1)
    assert set(times) >= {k.name for k in registry.kernels() if k.block is not None and k.signatures}
    assert all(0 <= t < 1e8 for t in times.values())
    assert times["calibrate.hits"] > 0
