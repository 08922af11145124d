"""Host memory that is used again: the CPU's twin of a GPU's memory pool.

Fresh memory costs more than what is computed into it: the system clears each
page when it is first touched.  The columns of one chunk are as large as those
of the next, so a pool keeps what was freed and gives it out again, as cupy does
on a GPU.
"""

from __future__ import annotations

import collections
import os
import threading
from typing import Any

import numpy as np

__all__ = ["Pool"]

# below this the system's own allocator keeps memory itself
_SMALL = 256 * 1024
_LINE = 64


class Pool:
    """Blocks of host memory, kept when freed and given out again.

    Parameters
    ----------
    keep : int, optional
        Most bytes of free blocks to hold on to; a quarter of the machine's
        memory, and no more than 512 MiB, by default.
    limit : int, optional
        Most bytes in use and kept together; asking for more raises
        MemoryError.  None: whatever the system gives.

    Attributes
    ----------
    used : int
        Bytes in use.
    kept : int
        Bytes of free blocks.
    peak : int
        Most bytes that were ever in use at once: the high-water mark.
    """

    def __init__(self, keep: int | None = None, limit: int | None = None) -> None:
        self.keep = _default_keep() if keep is None else keep
        self.limit = limit
        self.used = 0
        self.kept = 0
        self.peak = 0
        self._free: dict[int, list[np.ndarray]] = {}
        # blocks come back from finalizers, which may run at any point of any thread,
        # inside the lock too; appending to a deque needs none
        self._back: collections.deque[np.ndarray] = collections.deque()
        self._lock = threading.Lock()

    def empty(self, n: int, dtype: Any) -> np.ndarray:
        """Make a column of `n` values that are not set.

        Parameters
        ----------
        n : int
            Number of values.
        dtype : dtype
            What they are.

        Returns
        -------
        (n,) numpy.ndarray
            Contiguous; its memory goes back to the pool when the last view of
            it is gone.  Small ones are not from the pool.

        Raises
        ------
        MemoryError
            The pool's limit does not allow it.
        """
        dtype = np.dtype(dtype)
        size = n * dtype.itemsize
        if size < _SMALL and self.limit is None:
            return np.empty(n, dtype)
        return np.asarray(_Lease(self, self._take(_rounded(size)), n, dtype))

    def trim(self) -> None:
        """Give all free blocks back to the system."""
        with self._lock:
            self._collect()
            self._free.clear()
            self.kept = 0

    def reset_peak(self) -> None:
        """Begin the high-water mark anew, at what is in use."""
        with self._lock:
            self._collect()
            self.peak = self.used

    def _take(self, size: int) -> np.ndarray:
        with self._lock:
            self._collect()
            blocks = self._free.get(size)
            if blocks:
                block = blocks.pop()
                self.kept -= size
            else:
                self._make_room(size)
                block = np.empty(size + _LINE, np.uint8)
            self.used += size
            self.peak = max(self.peak, self.used)
            return block

    def _make_room(self, size: int) -> None:
        if self.limit is None or self.used + self.kept + size <= self.limit:
            return
        self._free.clear()
        self.kept = 0
        if self.used + size > self.limit:
            raise MemoryError(f"{size} bytes on top of {self.used} are more than the pool's {self.limit}")

    def _collect(self) -> None:
        while self._back:
            block = self._back.popleft()
            size = len(block) - _LINE
            self.used -= size
            if self.kept + size <= self.keep:
                self.kept += size
                self._free.setdefault(size, []).append(block)


class _Lease:
    """What a column of a pool holds on to; gives the block back at its end."""

    def __init__(self, pool: Pool, block: np.ndarray, n: int, dtype: np.dtype[Any]) -> None:
        self._pool = pool
        self._block = block
        address = block.__array_interface__["data"][0]
        self.__array_interface__ = {
            "data": (address + -address % _LINE, False),
            "shape": (n,),
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        self._pool._back.append(self._block)


def _rounded(size: int) -> int:
    """Round up to an eighth of the power of two below, so that like sizes share blocks."""
    step = 1 << max(0, max(size, 1).bit_length() - 4)
    return -(-size // step) * step


def _default_keep() -> int:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(512 * 1024**2, int(memory) // 4)
