"""Errors that answer the next question.

Every error of km3gpu says what went wrong, where, and what to do about it, on
one line.  The command line prints that line; a program finds the parts as
attributes.  Each class also derives from the built-in that people already
catch for the same fault.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = [
    "BackendError",
    "CalibrationError",
    "ConfigError",
    "DiskFullError",
    "FormatError",
    "GeometryError",
    "InputNotFoundError",
    "InterruptedRunError",
    "KernelError",
    "Km3GpuError",
    "MissingExtraError",
    "NotRootError",
    "OutputExistsError",
    "RunFailedError",
    "SourceChangedError",
    "TruncatedFileError",
    "UnknownNameError",
    "closest",
]


class Km3GpuError(Exception):
    """Base of every error that km3gpu raises on purpose.

    Parameters
    ----------
    what : str
        What went wrong, naming the thing.
    where : str, optional
        File, tree, branch, basket, entry or line it happened in.
    remedy : str, optional
        What the reader can do now.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.what} (in {self.where})"
        text = text if self.remedy is None else f"{text}; {self.remedy}"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[Any, ...]:
        # keyword-only arguments do not survive Exception's own pickling, and
        # errors travel between processes
        return (_rebuild, (type(self), self.what, self.where, self.remedy, self.__dict__))


def _rebuild(
    cls: type[Km3GpuError], what: str, where: str | None, remedy: str | None, state: dict[str, Any]
) -> Km3GpuError:
    error = cls.__new__(cls)
    Km3GpuError.__init__(error, what, where=where, remedy=remedy)
    error.__dict__.update(state)
    return error


class InputNotFoundError(Km3GpuError, FileNotFoundError):
    """A file that was asked for does not exist."""


class FormatError(Km3GpuError, ValueError):
    """Bytes that do not follow the format they claim to have."""


class NotRootError(FormatError):
    """A file that is no ROOT file, nor any other that km3gpu reads."""


class TruncatedFileError(FormatError, EOFError):
    """A file that ends before its own directory says it does."""


class UnknownNameError(Km3GpuError, KeyError, AttributeError):
    """A tree, table, column, stage or key that is not there.

    Use :meth:`of` to build one: it puts the closest existing names first.
    """

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str], *, where: str | None = None) -> UnknownNameError:
        """Build the error for `name`, which is none of the `known` names of this `kind`."""
        names = closest(name, known)
        if not names:
            return cls(f"no {kind} {name!r}: there is none at all", where=where)
        shown = ", ".join(names[:8]) + (f", ... ({len(names)} in all)" if len(names) > 8 else "")
        return cls(f"no {kind} {name!r}", where=where, remedy=f"there is: {shown}")


class GeometryError(Km3GpuError, ValueError):
    """Data and detector description do not fit together."""


class CalibrationError(Km3GpuError, ValueError):
    """A calibration that cannot or must not be applied."""


class ConfigError(Km3GpuError, ValueError):
    """A setting or plan that is not valid."""


class BackendError(Km3GpuError, RuntimeError):
    """A device, driver or memory that is not to be had."""


class KernelError(Km3GpuError, ValueError):
    """A kernel met a value that it cannot handle."""


class MissingExtraError(Km3GpuError, ImportError):
    """An optional package that is not installed."""


class OutputExistsError(Km3GpuError, FileExistsError):
    """An output directory that holds something else's results."""


class DiskFullError(Km3GpuError, OSError):
    """No space left where the output goes; the run stops at once."""


class SourceChangedError(Km3GpuError, RuntimeError):
    """An input that is no longer the file that the plan was made for."""


class RunFailedError(Km3GpuError, RuntimeError):
    """A run that ended with chunks that failed."""

    exit_code = 3


class InterruptedRunError(Km3GpuError, KeyboardInterrupt):
    """A run that a signal stopped; what was done is kept."""

    exit_code = 130


def closest(name: str, known: Iterable[str]) -> list[str]:
    """Order the `known` names by likeness to `name`, the most alike first.

    Parameters
    ----------
    name : str
        The name that was asked for.
    known : iterable of str
        The names that exist.

    Returns
    -------
    list of str
        All of `known`, each once; ties in alphabetical order.
    """
    low = name.lower()
    return sorted(
        set(known),
        key=lambda k: (-difflib.SequenceMatcher(None, low, k.lower()).ratio(), k),
    )
