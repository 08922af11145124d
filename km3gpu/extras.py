"""Optional packages, each with the line that installs it, and the files of the demo.

A package that only some users need is imported through `require`: where it is
missing, the error says which line to type.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from km3gpu.errors import InputNotFoundError, MissingExtraError, closest

__all__ = ["TESTDATA", "installed", "require", "resolve_path"]

TESTDATA = "testdata:"


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name (``"matplotlib.figure"``).
    extra : str
        The extra of km3gpu that brings it (``"plot"``).

    Returns
    -------
    module

    Raises
    ------
    MissingExtraError
        The package is not installed.  A package that is there but broken keeps
        its own error as the cause, and its words.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        # a missing dependency of the package is another fault than the package missing
        there = importlib.util.find_spec(package) is not None
        reason = f"package {package!r} cannot be imported: {error}" if there else f"no package {package!r}"
        raise MissingExtraError(reason, remedy=f"pip install 'km3gpu[{extra}]'") from error


def installed(module: str) -> bool:
    """Tell whether a top-level package is there, without importing it."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def resolve_path(path: str) -> str:
    """Give the path that a name stands for.

    Parameters
    ----------
    path : str
        A path or URL, given back as it is, or ``"testdata:offline/x.root"``: a
        file (or pattern) of the package km3net-testdata.

    Returns
    -------
    str

    Raises
    ------
    MissingExtraError
        km3net-testdata is not installed.
    InputNotFoundError
        It has no such file; the closest names come with the error.
    """
    if not path.startswith(TESTDATA):
        return path
    name = path.removeprefix(TESTDATA).lstrip("/")
    root = _testdata()
    target = root / name
    if target.exists() or any(c in name for c in "*?["):
        return str(target)
    names = closest(name, (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()))
    raise InputNotFoundError(
        f"no file {name!r} in km3net-testdata", remedy="the closest are: " + ", ".join(names[:3])
    )


@functools.cache
def _testdata() -> Path:
    return Path(str(require("km3net_testdata", "demo").__file__)).parent / "data"
