"""As much of cupy as the package uses, on host memory: no GPU is at hand where this runs.

It shows that the package calls cupy as it should, in the right order, and never
brings an array to the host, or a host array to a kernel, without meaning to:
where cupy refuses a numpy array, so does this.  What a driver makes of it, only
a GPU can show.
"""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np

# functions that the package may ask of cupy; all are in cupy 14.1
_FUNCTIONS = """
    abs all any arange arccos arcsin arctan arctan2 argmax argmin argsort ascontiguousarray bincount
    bitwise_and bitwise_or broadcast_to ceil clip column_stack concatenate cos count_nonzero cumsum diff
    digitize dot einsum empty empty_like exp fabs flatnonzero floor fmax fmin full full_like hypot
    isclose isfinite isin isinf isnan lexsort linspace log log10 logical_and logical_not logical_or max
    maximum mean min minimum mod nextafter nonzero ones ones_like prod ravel repeat reshape rint roll
    round searchsorted sign sin sort sqrt stack sum take take_along_axis tan tile trunc unique where
    zeros zeros_like
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
_METHODS = """
    astype copy view sum min max any all cumsum ravel argsort sort take repeat
    mean fill squeeze flatten nonzero round searchsorted dot clip argmax argmin prod std var
"""


def _host(value: Any, what: str) -> Any:
    """Unwrap device arrays; refuse host arrays as cupy does."""
    if isinstance(value, DeviceArray):
        return value.host
    if isinstance(value, np.ndarray):
        raise TypeError(f"{what}: Unsupported type {type(value)}")
    if isinstance(value, list | tuple) and any(isinstance(v, DeviceArray | np.ndarray) for v in value):
        return type(value)(_host(v, what) for v in value)
    return value


def _device(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_device(v) for v in value)
    return DeviceArray(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


def call(function: Any, *args: Any, **options: Any) -> Any:
    """Call a function of numpy on what device arrays hold."""
    what = getattr(function, "__name__", str(function))
    out = options.get("out")
    got = function(*(_host(a, what) for a in args), **{k: _host(v, what) for k, v in options.items()})
    return out if isinstance(out, DeviceArray) else _device(got)


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A host array that says it is on GPU 0, and does not become one of the host's by itself."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    dtype = property(lambda self: self.host.dtype)
    shape = property(lambda self: self.host.shape)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    flags = property(lambda self: self.host.flags)
    base = property(lambda self: None if self.host.base is None else DeviceArray(self.host.base))
    T = property(lambda self: DeviceArray(self.host.T))

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self.host.__array_interface__, "version": 3, "stream": None}

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __dlpack__(self, **_: Any) -> Any:
        return self.host.__dlpack__()

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__":
            raise TypeError(f"{ufunc.__name__}.{method} of a device array")
        if (out := options.pop("out", None)) is not None:
            options["out"] = out[0]
        return call(ufunc, *inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        if function.__name__ not in FUNCTIONS:
            raise TypeError(f"np.{function.__name__} of a device array")
        return call(function, *args, **options)

    def __getitem__(self, index: Any) -> Any:
        return _device(self.host[_host(index, "index")])

    def __setitem__(self, index: Any, value: Any) -> None:
        self.host[_host(index, "index")] = _host(value, "assignment")

    def __len__(self) -> int:
        return len(self.host)

    def __bool__(self) -> bool:
        return bool(self.host)

    def __int__(self) -> int:
        return int(self.host)

    def __float__(self) -> float:
        return float(self.host)

    def __index__(self) -> int:
        return self.host.__index__()

    def get(self) -> np.ndarray:
        return self.host.copy()

    def set(self, array: np.ndarray) -> None:
        self.host[...] = array

    def reshape(self, *shape: Any) -> DeviceArray:
        return DeviceArray(self.host.reshape(*shape))

    def tolist(self) -> Any:
        return self.host.tolist()

    def item(self) -> Any:
        return self.host.item()


def _method(name: str) -> Any:
    return lambda self, *args, **options: call(getattr(self.host, name), *args, **options)


for _name in _METHODS.split():
    setattr(DeviceArray, _name, _method(_name))


class Module(SimpleNamespace):
    """The module itself: what `make` puts in, numpy's types, and its functions on device arrays."""

    def __getattr__(self, name: str) -> Any:
        if name in FUNCTIONS:
            function = getattr(np, name)

            def on_device(*args: Any, **options: Any) -> Any:
                if name in ("searchsorted", "lexsort") and not isinstance(args[0], DeviceArray):
                    raise TypeError(f"cupy.{name} of {type(args[0])}")
                if name == "lexsort":
                    return DeviceArray(np.lexsort(args[0].host))
                got = call(function, *args, **options)
                return got if isinstance(got, DeviceArray | tuple) else _device(np.asarray(got))

            return on_device
        value = getattr(np, name)
        if isinstance(value, type | float) or value is None:
            return value  # dtypes, nan, inf
        raise AttributeError(f"the stand-in for cupy has no {name!r}")


def make(devices: int = 1, free: int = 11) -> Any:
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
    return Module(
        log=log,
        DeviceArray=DeviceArray,
        asarray=asarray,
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
                memGetInfo=lambda: (free, free + 1),
                getDeviceProperties=lambda _: {
                    "name": b"Stand-in",
                    "uuid": b"\1\2",
                    "major": 9,
                    "minor": 0,
                    "totalGlobalMem": free + 1,
                },
                driverGetVersion=lambda: 12090,
            ),
        ),
    )
