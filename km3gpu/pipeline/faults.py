"""What a fault means for the run: try again, split, quarantine, or stop at once.

The kinds, and what the run does:

=========  ==========================================================  ===================
kind       an example                                                  the run
=========  ==========================================================  ===================
``io``     a network file system hiccups                               tries once more
``memory`` the chunk does not fit, or its worker was killed            splits it in two
``disk``   no space left where the output goes                         stops at once
``setup``  the plan, the calibration's file or the device is wrong,    stops at once
           or something may not be read or written
``data``   bytes that do not decode, hits that no detector has         quarantines the chunk
=========  ==========================================================  ===================
"""

from __future__ import annotations

import errno
import traceback
from dataclasses import asdict, dataclass
from typing import Any

from km3gpu import errors

__all__ = ["KINDS", "Fault", "classify", "fault_of"]

KINDS = ("io", "memory", "disk", "setup", "data")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}  # no use in trying again, or another chunk
_SETUP = (
    errors.ConfigError,
    errors.BackendError,
    errors.MissingExtraError,
    errors.InputNotFoundError,
    errors.SourceChangedError,
    errors.OutputExistsError,
    ImportError,
)


@dataclass(frozen=True)
class Fault:
    """One fault of one chunk, as the journal keeps it.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    type : str
        Name of the exception's class.
    message : str
        Its words, on one line.
    traceback : str
        Where it was raised.
    """

    kind: str
    type: str
    message: str
    traceback: str = ""

    def to_json(self) -> dict[str, str]:
        """Give the fault as plain values."""
        return asdict(self)

    def raised(self) -> errors.Km3GpuError:
        """Give an exception of the same class and words, for the caller of the run."""
        cls: Any = getattr(errors, self.type, None)
        if cls is None and self.kind == "setup":
            return errors.Km3GpuError(self.message, remedy="put it right, then run the same again")
        if cls is None:
            return errors.RunFailedError(f"no chunk could be made, the first fault: {self.message}")
        return cls(self.message)  # type: ignore[no-any-return]


def classify(error: BaseException) -> str:
    """Tell the kind of a fault from its exception.

    Returns
    -------
    str
        One of `KINDS`.
    """
    if isinstance(error, errors.DiskFullError) or getattr(error, "errno", None) in _FULL:
        return "disk"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "memory"
    if isinstance(error, errors.InputNotFoundError) and _of_the_network(error.__cause__):
        return "io"
    if isinstance(error, _SETUP) or getattr(error, "errno", None) in _FORBIDDEN:
        return "setup"
    if isinstance(error, OSError | TimeoutError) and not isinstance(error, errors.Km3GpuError):
        return "io"
    return "data"


def _of_the_network(cause: BaseException | None) -> bool:
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError | PermissionError)


def fault_of(error: BaseException) -> Fault:
    """Describe an exception as a fault."""
    known = isinstance(error, errors.Km3GpuError)
    words = " ".join(str(error).split()) or type(error).__name__
    if notes := getattr(error, "__notes__", ()):  # of a user's function: which, and where in it
        words += f" ({'; '.join(notes)})"
    return Fault(
        classify(error),
        type(error).__name__,
        words if known else f"{type(error).__name__}: {words}",
        "".join(traceback.format_exception(error)),
    )
