"""Compile a kernel to machine code, without a driver or a GPU.

NVVM makes PTX and ptxas makes machine code, both from the CUDA wheels that the
extra ``cubin`` installs; ptxas says how many registers a kernel takes and
whether it spills.  That is what a GPU would run; whether it runs fast, only a
GPU can say.
"""

from __future__ import annotations

import contextlib
import functools
import re
import subprocess
import tempfile
import types
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.errors import BackendError, KernelError, MissingExtraError
from km3gpu.kernels.launch import Kernel

__all__ = ["ARCHITECTURES", "Architecture", "Cubin", "Tools", "assemble", "assumed", "ptx", "tools"]

Architecture = tuple[int, int]

ARCHITECTURES: tuple[Architecture, ...] = (
    (7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0),
)  # fmt: skip
"""Volta to Blackwell; CUDA 13 begins at (7, 5)."""

_SCALARS = {
    "i4": "int32", "i8": "int64", "u1": "uint8", "u4": "uint32", "u8": "uint64",
    "f4": "float32", "f8": "float64", "b1": "boolean",
}  # fmt: skip


@dataclass(frozen=True)
class Tools:
    """The compilers in use.

    Attributes
    ----------
    ptxas : str
        Path of the assembler that belongs to the NVVM that numba loads.
    cuda : str
        Its version, ``"12.9"``.
    """

    ptxas: str
    cuda: str

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """Those of `ARCHITECTURES` that this version still compiles for."""
        first = (7, 5) if int(self.cuda.split(".")[0]) >= 13 else (7, 0)
        return tuple(a for a in ARCHITECTURES if a >= first)


@dataclass(frozen=True)
class Cubin:
    """What ptxas says of one kernel, with one signature, on one architecture.

    Attributes
    ----------
    kernel, signature : str
        ``"calibrate.hits"``, ``"i4[] u1[] ..."``.
    architecture : tuple of int
        Compute capability.
    registers : int
        Per thread.
    ceiling : int
        As many as the kernel's registry entry allows.
    spill_bytes, stack_bytes : int
        Local memory per thread; both must be 0.
    shared_bytes : int
        Per block.
    code_bytes : int
        Size of the cubin.
    float64_operations : int
        Of double precision in the code, a fused multiply-add being two.
    """

    kernel: str
    signature: str
    architecture: Architecture
    registers: int
    ceiling: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int
    code_bytes: int
    float64_operations: int = 0

    @property
    def good(self) -> bool:
        """No spills, no stack, registers under the ceiling."""
        return self.spill_bytes == 0 and self.stack_bytes == 0 and self.registers <= self.ceiling


@functools.cache
def tools() -> Tools:
    """Find the compilers.

    Raises
    ------
    MissingExtraError
        numba-cuda or its CUDA compiler wheels are not installed.
    """
    remedy = "pip install 'km3gpu[cubin]'"
    try:
        from cuda import pathfinder

        library = Path(pathfinder.load_nvidia_dynamic_lib("nvvm").abs_path)
    except (ImportError, RuntimeError) as error:
        raise MissingExtraError(f"no CUDA compiler: {error}", remedy=remedy) from error
    # .../<toolkit>/nvvm/lib64/libnvvm.so beside .../<toolkit>/bin/ptxas, as wheels and as a toolkit
    ptxas = next((p / "bin" / "ptxas" for p in library.parents if (p / "bin" / "ptxas").is_file()), None)
    if ptxas is None:
        raise MissingExtraError(f"no ptxas beside {library}", remedy=remedy)
    said = subprocess.run([ptxas, "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"release (\d+\.\d+)", said)
    if version is None:
        raise BackendError(f"{ptxas} does not say its version")
    return Tools(str(ptxas), version.group(1))


@contextlib.contextmanager
def assumed(architecture: Architecture) -> Iterator[None]:
    """Let numba compile as if a GPU of this architecture were there.

    numba asks the current device for its architecture even when one is given,
    as soon as a kernel calls a function.

    Raises
    ------
    BackendError
        This numba-cuda does not ask where it used to.
    """
    from numba.cuda import dispatcher

    if not hasattr(dispatcher, "get_current_device"):
        raise BackendError(
            "this version of numba-cuda cannot compile without a driver",
            remedy="take the versions of the extra: pip install 'km3gpu[cubin]'",
        )
    before = dispatcher.get_current_device
    device = types.SimpleNamespace(compute_capability=architecture, name=b"assumed", id=0)
    dispatcher.get_current_device = lambda: device
    try:
        yield
    finally:
        dispatcher.get_current_device = before


def ptx(kernel: Kernel, signature: tuple[str, ...], architectures: Iterable[Architecture]) -> list[str]:
    """Compile a kernel to PTX for each of some architectures.

    Nearly all of the time goes into typing and lowering, which is the same for
    every architecture; so that is done once where numba-cuda lets us at it.
    """
    from numba import cuda
    from numba import types as nb
    from numba.cuda import compiler

    # n before the arguments, the slot for faults after them
    arguments = nb.void(*(_type(t) for t in ("i8", *signature, "i8[]")))
    function = kernel.driver("cuda").py_func  # type: ignore[attr-defined]
    wanted = list(architectures)
    lower = getattr(compiler, "_compile_pyfunc_with_fixup", None)
    if lower is not None:
        with assumed(wanted[0]):
            library, _ = lower(function, arguments, device=False, cc=wanted[0], abi="numba")
        return [str(library.get_asm_str(cc=cc)) for cc in wanted]
    made = []
    for cc in wanted:
        with assumed(cc):
            text, _ = cuda.compile(function, arguments, cc=cc, output="ptx", abi="numba", device=False)
        made.append(str(text))
    return made


def assemble(kernel: Kernel, signature: tuple[str, ...], architecture: Architecture, text: str) -> Cubin:
    """Turn PTX into a cubin and read what ptxas says of it.

    Raises
    ------
    KernelError
        ptxas refuses it; its own words are in the message.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "kernel.ptx"), Path(folder, "kernel.cubin")
        source.write_text(text)
        arch = f"sm_{architecture[0]}{architecture[1]}"
        done = subprocess.run(
            [tools().ptxas, "-v", f"-arch={arch}", source, "-o", target], capture_output=True, text=True
        )
        if done.returncode != 0:
            raise KernelError(f"ptxas refuses {kernel.name} for {arch}: {done.stderr.strip()}")
        size = target.stat().st_size
    return Cubin(
        kernel.name,
        " ".join(signature),
        architecture,
        registers=_number(r"Used (\d+) registers", done.stderr),
        ceiling=kernel.registers,
        spill_bytes=_number(r"(\d+) bytes spill stores", done.stderr)
        + _number(r"(\d+) bytes spill loads", done.stderr),
        stack_bytes=_number(r"(\d+) bytes stack frame", done.stderr),
        shared_bytes=_number(r"(\d+) bytes smem", done.stderr, 0),
        code_bytes=size,
        float64_operations=_float64_operations(text),
    )


def _type(text: str) -> Any:
    """Read ``"f8"``, ``"f8[]"`` or, for two dimensions, ``"f8[:,:]"``."""
    from numba import types as nb

    name, bracket, inside = text.partition("[")
    scalar = getattr(nb, _SCALARS[name])
    return nb.Array(scalar, 1 + inside.count(","), "C") if bracket else scalar


def _float64_operations(text: str) -> int:
    twice = re.findall(r"^\s*fma\.\w+\.f64", text, re.MULTILINE)
    once = re.findall(r"^\s*(?:add|sub|mul|div|sqrt|rcp|min|max)\.(?:\w+\.)?f64", text, re.MULTILINE)
    return 2 * len(twice) + len(once)


def _number(pattern: str, text: str, default: int | None = None) -> int:
    found = re.search(pattern, text)
    if found is None:
        if default is None:
            raise BackendError(f"ptxas said nothing like {pattern!r}: {text.strip()}")
        return default
    return int(found.group(1))
