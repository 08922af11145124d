"""As much of cupy as the backend uses, on host memory: no GPU is at hand where this runs.

It shows that the backend calls cupy as it should, in the right order; what a
driver makes of it, only a GPU can show.
"""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np


class DeviceArray:
    """A host array that says it is on GPU 0."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    dtype = property(lambda self: self.host.dtype)
    shape = property(lambda self: self.host.shape)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    flags = property(lambda self: self.host.flags)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.host.__array_interface__, "version": 3, "stream": None}

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **_: Any) -> Any:
        return self.host.__dlpack__()

    def __getitem__(self, index: Any) -> Any:
        return self.host[index]

    def __len__(self) -> int:
        return len(self.host)

    def get(self) -> np.ndarray:
        return self.host.copy()

    def set(self, array: np.ndarray) -> None:
        self.host[...] = array

    def reshape(self, shape: Any) -> DeviceArray:
        return DeviceArray(self.host.reshape(shape))


def make(devices: int = 1) -> Any:
    """Make a fresh module; ``log`` has what streams and events were told, by name of thread."""
    log: list[tuple[Any, ...]] = []
    here = threading.local()

    class Stream:
        def __init__(self, non_blocking: bool = False) -> None:
            self.ptr, self.non_blocking = id(self), non_blocking

        def __enter__(self) -> Stream:
            here.stream = self
            return self

        def __exit__(self, *_: object) -> None:
            here.stream = None

        def wait_event(self, event: Event) -> None:
            log.append(("wait", self, event))

        def synchronize(self) -> None:
            log.append(("synchronize", self))

    class Event:
        done = True

        def __init__(self, disable_timing: bool = False) -> None:
            self.disable_timing = disable_timing

        def record(self, stream: Stream) -> None:
            log.append(("record", stream, self))

        def synchronize(self) -> None:
            log.append(("synchronize", self))

    @contextlib.contextmanager
    def device(index: int) -> Any:
        before, here.device = getattr(here, "device", 0), index
        yield
        here.device = before

    def asarray(a: Any, *_: Any, **__: Any) -> DeviceArray:
        if isinstance(a, DeviceArray):
            return a
        if hasattr(a, "__cuda_array_interface__"):
            return DeviceArray(np.asarray(SimpleNamespace(__array_interface__=a.__cuda_array_interface__)))
        return DeviceArray(np.array(a))

    class CUDARuntimeError(RuntimeError):
        pass

    def pinned(n: int) -> Any:
        if n > 10**9:
            raise CUDARuntimeError("out of memory")
        log.append(("pinned", n))
        return bytearray(n)

    pool = SimpleNamespace(
        used_bytes=lambda: 5, total_bytes=lambda: 9, free_all_blocks=lambda: log.append(("trim",))
    )
    default = Stream()
    return SimpleNamespace(
        log=log,
        DeviceArray=DeviceArray,
        empty=lambda n, dtype: DeviceArray(np.empty(n, dtype)),
        full=lambda n, value, dtype: DeviceArray(np.full(n, value, dtype)),
        asarray=asarray,
        ascontiguousarray=lambda a: DeviceArray(np.ascontiguousarray(a.host)),
        from_dlpack=lambda a: DeviceArray(np.from_dlpack(a.host)),
        get_default_memory_pool=lambda: pool,
        cuda=SimpleNamespace(
            Stream=Stream,
            Event=Event,
            Device=device,
            alloc_pinned_memory=pinned,
            get_current_stream=lambda: getattr(here, "stream", None) or default,
            runtime=SimpleNamespace(
                CUDARuntimeError=CUDARuntimeError,
                getDeviceCount=lambda: devices,
                getDevice=lambda: getattr(here, "device", 0),
                memGetInfo=lambda: (11, 12),
            ),
        ),
    )
