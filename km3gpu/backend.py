"""Where arrays live: host memory, a GPU, or the CUDA simulator.

The only module that imports cupy.  A backend is chosen once (argument,
``KM3GPU_BACKEND``, or ``auto``); after that the type of an array says where it
is, and kernels follow it.
"""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from km3gpu.errors import BackendError

__all__ = ["NAMES", "Backend", "DeviceInfo", "cuda_device", "namespace", "of", "select", "why_no_gpu"]

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
        """
        if self.name == "cuda":
            return _cupy().ascontiguousarray(_cupy().asarray(array))
        return np.ascontiguousarray(self.to_host(array))

    @staticmethod
    def to_host(array: Any) -> np.ndarray:
        """Give `array` as numpy; no copy where it already is."""
        return array if isinstance(array, np.ndarray) else np.asarray(array.get())

    def free_memory(self) -> int:
        """Bytes that can still be allocated on this backend."""
        if self.name == "cuda":
            return int(_cupy().cuda.runtime.memGetInfo()[0])
        import psutil

        return int(psutil.virtual_memory().available)

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
