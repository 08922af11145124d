"""Modules: what is attached to a pipeline and kneads its blobs."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from typing import IO, Any

from km3gpu.compat.thepipe.logger import get_logger, get_printer
from km3gpu.compat.thepipe.services import ServiceManager
from km3gpu.errors import InputNotFoundError

__all__ = ["RESERVED", "FunctionModule", "Module"]

RESERVED = {"every", "only_if", "blob_keys", "timeit"}
"""Parameters that the pipeline itself uses."""


class Module:
    """A step of a pipeline: derive from it and write `process`, and what else is needed.

    Parameters
    ----------
    name : str, optional
        That of the class by default.
    **parameters
        For `get` and `require`.

    Attributes
    ----------
    services : ServiceManager
        Those of the pipeline.
    only_if : set of str
        Keys that a blob must have for the module to see it.
    every : int
        See only every n-th blob.
    blob_keys : list of str, optional
        See only these keys of the blob.
    """

    def __init__(self, name: str | None = None, **parameters: Any) -> None:
        self._name = type(self).__name__ if name is None else name
        self._parameters = parameters
        self._processed_parameters: list[str] = []
        self.services = ServiceManager()
        self.provided_services: dict[str, Any] = {}
        self.required_services: dict[str, str] = {}
        self.only_if: set[str] = set()
        self.every = 1
        self.blob_keys: list[str] | None = None
        kind = type(self)
        own = kind.__name__ if kind.__module__ == "__main__" else f"{kind.__module__}.{kind.__name__}"
        self.logger_name = own if self._name == own else f"{own}.{self._name}"
        self.log: Any = get_logger(self.logger_name)
        self.cprint: Any = get_printer(self.logger_name)
        self.timeit = bool(self.get("timeit"))
        self.configure()
        self._check_unused_parameters()

    # -- to be written by a subclass -----------------------------------------
    def configure(self) -> None:
        """Take the parameters in; called when the module is made."""

    def prepare(self) -> None:
        """Get ready; called once, when all modules are attached, before the first blob."""

    def process(self, blob: Any) -> Any:
        """Knead a blob and give it back; None ends the cycle, StopIteration the pipeline."""
        return blob

    def finish(self) -> Any:
        """Clean up; what it gives is in the result of the pipeline."""
        return None

    def pre_finish(self) -> Any:
        """Do what comes before `finish`, and call it."""
        return self.finish()

    # -- parameters ----------------------------------------------------------
    @property
    def name(self) -> str:
        """Name of the module in its pipeline."""
        return self._name

    @property
    def parameters(self) -> dict[str, Any]:
        """What the module was made with."""
        return self._parameters

    @property
    def processed_parameters(self) -> list[str]:
        """Names of the parameters that were asked for."""
        return self._processed_parameters

    def add(self, name: str, value: Any) -> None:
        """Set a parameter."""
        self._parameters[name] = value

    def get(self, name: str, default: Any = None) -> Any:
        """Give a parameter, or `default` where it is not there or None."""
        self._processed_parameters.append(name)
        value = self._parameters.get(name)
        return default if value is None else value

    def require(self, name: str) -> Any:
        """Give a parameter that must be there.

        Raises
        ------
        TypeError
            It is not there, or None.
        """
        value = self.get(name)
        if value is None:
            raise TypeError(f"{type(self).__name__} requires the parameter {name!r}")
        return value

    def _check_unused_parameters(self) -> None:
        unused = set(self._parameters) - set(self._processed_parameters) - RESERVED
        if unused:
            self.log.warning("The following parameters were ignored: %s", ", ".join(sorted(unused)))

    # -- services ------------------------------------------------------------
    def expose(self, obj: Any, name: str) -> None:
        """Offer an object to all modules of the pipeline."""
        self.provided_services[name] = obj

    def require_service(self, name: str, why: str = "") -> None:
        """Say that the module needs a service, and what for."""
        self.required_services[name] = why

    # -- the rest ------------------------------------------------------------
    def open_file(self, filename: str, gzipped: bool = False) -> IO[bytes]:
        """Open a file to read its bytes, through gzip where it is, or its name says so.

        Raises
        ------
        InputNotFoundError
            There is no such file.
        """
        try:
            if gzipped or str(filename).endswith(".gz"):
                return gzip.open(filename, "rb")  # type: ignore[return-value]
            return open(filename, "rb")
        except (FileNotFoundError, TypeError) as error:
            where = f"module {self.name!r}"
            raise InputNotFoundError(f"no file {filename!r}", where=where, remedy="check the path") from error

    def print(self, text: object) -> None:
        """Print a line; the old name of `cprint`."""
        self.log.deprecation("`Module.print` is deprecated, use `cprint`")
        self.cprint(text)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Process a blob."""
        return self.process(*args, **kwargs)


class FunctionModule:
    """A function as a module; what is set on it stays apart from the function.

    Parameters
    ----------
    function : callable
        From blob to blob.
    name : str
    timeit : bool
        Measure it.
    """

    def __init__(self, function: Callable[[Any], Any], name: str, timeit: bool = False) -> None:
        self.function = function
        self.name = name
        self.timeit = timeit
        self.only_if: Iterable[str] = set()
        self.every = 1
        self.blob_keys: list[str] | None = None

    def __call__(self, blob: Any) -> Any:
        """Call the function."""
        return self.function(blob)

    def __getattr__(self, name: str) -> Any:
        if name == "function" or name.startswith("__"):  # not there yet: a copy is being made
            raise AttributeError(name)
        return getattr(self.function, name)
