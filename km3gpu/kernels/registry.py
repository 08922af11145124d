"""Every kernel there is.

To add one: write its ``scalar``, ``cpu``, ``cuda`` and ``reference`` files, give
the public module a tuple ``KERNELS``, and name that module in `MODULES`.
"""

from __future__ import annotations

import importlib

from km3gpu.kernels.launch import Kernel

__all__ = ["MODULES", "kernels"]

MODULES = (
    "calibrate",
    "coincidence",
    "decode",
    "flags",
    "fused",
    "healpix",
    "level1",
    "light",
    "moments",
    "multiplicity",
    "neighbours",
    "overlaps",
    "rows",
    "segments",
    "select",
    "sky",
    "triggers",
)


def kernels() -> tuple[Kernel, ...]:
    """Give all kernels, in the order of `MODULES`."""
    return tuple(k for m in MODULES for k in importlib.import_module(f"km3gpu.kernels.{m}").KERNELS)
