"""What other packages add to numba, loaded once it can matter.

Before it compiles anything, or takes it up from its cache, numba imports every
package that has registered with it.  awkward is one: with what it imports
itself, 460 modules, 20 MB and 0.2 s in each worker, so that arrays can be taken
that nobody can have made yet.
"""

from __future__ import annotations

import functools
import importlib.metadata
import sys

from numba.core import entrypoints

__all__ = ["hold_back"]

_load_all = entrypoints.init_all


def hold_back() -> None:
    """Let numba load extensions when awkward is imported, if it is the only one that has some.

    A function of the user finds them as ever: whoever has an array of awkward
    has imported it.  Other packages add functions of others than themselves
    (numba-scipy those of scipy), so where one is installed nothing is held back.
    """
    entrypoints.init_all = _load_where_due


def _load_where_due() -> None:
    if "awkward" in sys.modules or _others():
        _load_all()


@functools.cache
def _others() -> bool:
    found = importlib.metadata.entry_points(group="numba_extensions")
    return any(e.value.partition(".")[0] != "awkward" for e in found)
