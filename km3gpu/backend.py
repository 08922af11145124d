"""Where arrays live: host memory, a GPU, or the CUDA simulator.

The only module that imports cupy.  A backend is chosen once (argument,
``KM3GPU_BACKEND``, or ``auto``); after that the type of an array says where it
is, and kernels follow it.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.errors import BackendError
from km3gpu.memory import Pool

__all__ = [
    "NAMES",
    "Backend",
    "DeviceInfo",
    "MemoryUse",
    "adopt",
    "cuda_device",
    "device_count",
    "device_index",
    "empty",
    "namespace",
    "of",
    "select",
    "using_pool",
    "why_no_gpu",
]

NAMES = ("auto", "cpu", "cuda", "cudasim")


@dataclass(frozen=True)
class DeviceInfo:
    """What is known of the GPU in use."""

    name: str
    uuid: str
    compute_capability: tuple[int, int]
    memory_bytes: int
    driver: str


@dataclass(frozen=True)
class MemoryUse:
    """What a backend's pool holds, in bytes.

    Attributes
    ----------
    used : int
        By arrays that are alive.
    held : int
        Taken from the system or device: used and kept for later.
    peak : int
        High-water mark.  A GPU's pool does not keep one; there it is `held`,
        which only grows until the pool is trimmed.
    """

    used: int
    held: int
    peak: int


@dataclass(frozen=True)
class Backend:
    """A place for arrays and the way to get them there.

    Attributes
    ----------
    name : str
        ``"cpu"``, ``"cuda"`` or ``"cudasim"``.
    """

    name: str

    @property
    def xp(self) -> Any:
        """The array module: numpy, or cupy on a GPU."""
        return _cupy() if self.name == "cuda" else np

    def to_device(self, array: Any) -> Any:
        """Give `array` on this backend, contiguous; no copy where it already is.

        Parameters
        ----------
        array : numpy.ndarray or cupy.ndarray
            Any shape and dtype.

        Returns
        -------
        numpy.ndarray or cupy.ndarray
            Its values are there when the call returns, for every stream of the
            device (tables of a detector are shared by all threads).
        """
        if self.name == "cuda":
            there = _cupy().ascontiguousarray(_cupy().asarray(array))
            if isinstance(array, np.ndarray):
                self.synchronize()
            return there
        return np.ascontiguousarray(self.to_host(array))

    @staticmethod
    def to_host(array: Any) -> np.ndarray:
        """Give `array` as numpy; no copy where it already is."""
        return array if isinstance(array, np.ndarray) else np.asarray(array.get())

    def empty(self, n: int, dtype: Any) -> Any:
        """Make a column of `n` values that are not set, from this backend's pool."""
        return _cupy().empty(n, dtype) if self.name == "cuda" else _pool.get().empty(n, dtype)

    def pinned(self, n_bytes: int) -> np.ndarray:
        """Make (n_bytes,) uint8 host memory that a GPU can copy from while the CPU goes on.

        On a host backend it is plain memory.

        Raises
        ------
        BackendError
            The system gives no more page-locked memory.
        """
        if self.name != "cuda":
            return np.empty(n_bytes, np.uint8)
        cupy = _cupy()
        try:
            locked = cupy.cuda.alloc_pinned_memory(max(1, n_bytes))
        except cupy.cuda.runtime.CUDARuntimeError as error:
            raise BackendError(
                f"no {n_bytes} bytes of page-locked memory: {error}", remedy="take smaller chunks"
            ) from error
        return np.frombuffer(locked, np.uint8, n_bytes)

    def upload(self, array: np.ndarray) -> Any:
        """Copy a host array to this backend, in the order of the current stream.

        From `pinned` memory a GPU copies by itself, and the call returns at once:
        do not write to the memory before an event after the copy has happened.
        """
        copied = self.empty(array.size, array.dtype).reshape(array.shape)
        if self.name == "cuda":
            copied.set(array)
        else:
            copied[...] = array
        return copied

    def memory(self) -> MemoryUse:
        """Tell what this backend's pool holds."""
        if self.name == "cuda":
            pool = _cupy().get_default_memory_pool()
            return MemoryUse(int(pool.used_bytes()), int(pool.total_bytes()), int(pool.total_bytes()))
        host = _pool.get()
        return MemoryUse(host.used, host.used + host.kept, host.peak)

    def trim(self) -> None:
        """Give what the pool keeps for later back to the system or device."""
        if self.name == "cuda":
            _cupy().get_default_memory_pool().free_all_blocks()
        else:
            _pool.get().trim()

    def free_memory(self) -> int:
        """Bytes that can still be allocated on this backend."""
        if self.name == "cuda":
            return int(_cupy().cuda.runtime.memGetInfo()[0])
        from km3gpu import freememory

        return freememory.available()

    def synchronize(self) -> None:
        """Wait until everything launched here is done."""
        if self.name == "cuda":
            _cupy().cuda.get_current_stream().synchronize()


def select(name: str | Backend = "auto") -> Backend:
    """Choose the backend by name.

    Parameters
    ----------
    name : str
        ``"auto"`` takes ``KM3GPU_BACKEND`` where it is set, else a usable GPU,
        else the CPU.  ``"cpu"``, ``"cuda"`` and ``"cudasim"`` take just that.

    Returns
    -------
    Backend

    Raises
    ------
    BackendError
        The name is unknown, or the device cannot be used; the message says why.
    """
    if isinstance(name, Backend):
        return name
    asked = (os.environ.get("KM3GPU_BACKEND", "auto") if name == "auto" else name).lower()
    if asked not in NAMES:
        raise BackendError(f"unknown backend {asked!r}", remedy=f"take one of {', '.join(NAMES)}")
    if asked == "auto":
        if why_no_gpu() is None:
            return Backend("cuda")
        _say_once(why_no_gpu())
        return Backend("cpu")
    if asked == "cuda" and (reason := why_no_gpu()) is not None:
        raise BackendError(
            f"no GPU can be used: {reason}",
            remedy="run with backend='cpu', or see `km3gpu doctor`",
        )
    if asked == "cudasim" and os.environ.get("NUMBA_ENABLE_CUDASIM", "0") in ("", "0"):
        raise BackendError(
            "the CUDA simulator is off in this process",
            remedy="set NUMBA_ENABLE_CUDASIM=1 before Python starts",
        )
    return Backend(asked)


def of(*arrays: Any) -> Backend:
    """Tell the backend that `arrays` live on, and that it is one and the same.

    Raises
    ------
    BackendError
        Some are on the host and some on a device.
    """
    device = {hasattr(a, "__cuda_array_interface__") for a in arrays if hasattr(a, "dtype")}
    if device == {True, False}:
        raise BackendError(
            "arrays of one call lie partly on the host and partly on a device",
            remedy="move them with Backend.to_device first",
        )
    if device == {True}:
        return Backend("cuda")
    forced = os.environ.get("KM3GPU_BACKEND", "").lower() == "cudasim"
    return Backend("cudasim") if forced else Backend("cpu")


def namespace(array: Any) -> Any:
    """Give the module (numpy or cupy) that made `array`."""
    return _cupy() if hasattr(array, "__cuda_array_interface__") else np


def empty(n: int, dtype: Any, like: Any) -> Any:
    """Make a column of `n` values that are not set, where `like` is."""
    if type(like) is not np.ndarray and hasattr(like, "__cuda_array_interface__"):
        return _cupy().empty(n, dtype)
    return _pool.get().empty(n, dtype)


def device_count() -> int:
    """Give the number of GPUs that this process can use; 0 where there is none."""
    return int(_cupy().cuda.runtime.getDeviceCount()) if why_no_gpu() is None else 0


def device_index() -> int:
    """Give the number of the GPU that this thread uses; 0 where there is none."""
    return int(_cupy().cuda.runtime.getDevice()) if why_no_gpu() is None else 0


def adopt(array: Any) -> Any:
    """Take an array of another library as it lies, without a copy.

    Parameters
    ----------
    array : object
        With ``__cuda_array_interface__``, ``__dlpack__`` or numpy's own
        interfaces: a torch tensor, a JAX, CuPy, numba or NumPy array.  The other
        way needs nothing: columns of km3gpu are NumPy or CuPy arrays, which have
        all of these.

    Returns
    -------
    numpy.ndarray or cupy.ndarray
        The same memory; on a GPU a CuPy array.

    Raises
    ------
    BackendError
        The memory is on a device that cannot be used here.
    """
    if isinstance(array, np.ndarray):
        return array
    device = array.__dlpack_device__()[0] if hasattr(array, "__dlpack_device__") else None
    on_gpu = hasattr(array, "__cuda_array_interface__") or device in _DLPACK_CUDA
    if on_gpu:
        if (reason := why_no_gpu()) is not None:
            raise BackendError(f"an array on a GPU cannot be used here: {reason}")
        cupy = _cupy()
        return cupy.asarray(array) if hasattr(array, "__cuda_array_interface__") else cupy.from_dlpack(array)
    if device is not None and device not in _DLPACK_HOST:
        raise BackendError(f"an array on DLPack device type {device}, neither host nor CUDA")
    return np.from_dlpack(array) if device is not None else np.asarray(array)


# DLDeviceType of the DLPack specification: CPU, page-locked host; CUDA, managed CUDA
_DLPACK_HOST = (1, 3)
_DLPACK_CUDA = (2, 13)

_pool: contextvars.ContextVar[Pool] = contextvars.ContextVar("pool", default=Pool())  # noqa: B039


@contextlib.contextmanager
def using_pool(pool: Pool) -> Iterator[Pool]:
    """Take host memory from `pool` within this block, on this thread."""
    token = _pool.set(pool)
    try:
        yield pool
    finally:
        _pool.reset(token)


@functools.cache
def why_no_gpu() -> str | None:
    """Say why no GPU can be used here, or None where one can.

    Returns
    -------
    str or None
        For example ``"cupy is not installed"`` or the driver's own words.
    """
    try:
        cupy = _cupy()
    except ImportError:
        return "cupy is not installed (pip install 'km3gpu[cuda12]' or 'km3gpu[cuda13]')"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return " ".join(str(error).split())
    return None if count else "the driver reports no device"


@functools.cache
def cuda_device() -> DeviceInfo | None:
    """Describe the GPU in use, or None where there is none."""
    if why_no_gpu() is not None:
        return None
    runtime = _cupy().cuda.runtime
    index = runtime.getDevice()
    p = runtime.getDeviceProperties(index)
    return DeviceInfo(
        name=p["name"].decode(),
        uuid=bytes(p["uuid"]).hex(),
        compute_capability=(int(p["major"]), int(p["minor"])),
        memory_bytes=int(p["totalGlobalMem"]),
        driver=str(runtime.driverGetVersion()),
    )


@functools.cache
def _cupy() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cupy warns on import where no driver is
        import cupy

        return cupy


@functools.cache
def _say_once(reason: str | None) -> None:
    import logging

    logging.getLogger("km3gpu").info("running on the CPU: %s", reason)
