"""Text files that go with a detector: acoustic emitters and receivers, string mechanics.

Each line of such a file is one row of numbers; lines that start with ``#`` are
comments.  They are the files of KM3NeT's detector calibration archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from km3gpu.detector.arrays import Columns
from km3gpu.detector.lines import Lines
from km3gpu.errors import FormatError, InputNotFoundError
from km3gpu.extras import resolve_path

__all__ = ["Hydrophones", "Mechanics", "Transmitters", "Tripods", "Waveforms"]


class _TextFile(Columns):
    """A text file of rows of one width."""

    columns: ClassVar[tuple[str, ...]]  # in the order of the file; "pos" is three of them
    integers: ClassVar[tuple[int, ...]]

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Read a file.

        Parameters
        ----------
        path : str or Path
            ``"testdata:..."`` names a file of the package km3net-testdata.

        Raises
        ------
        InputNotFoundError
            There is no such file.
        FormatError
            A line does not hold the numbers that it should; it is named.
        """
        lines = open_lines(path)
        words = " ".join("x y z" if c == "pos" else c for c in cls.columns)
        width = len(words.split())
        for i in np.flatnonzero(lines.widths != width):
            lines.fail(f"the {width} values {words!r} should be", int(i))
        table = lines.table(np.arange(len(lines)), width, cls.integers, lines.values(0))
        values, at = {}, 0
        for name in cls.columns:
            values[name] = table[:, at : at + 3] if name == "pos" else table[:, at]
            at += 3 if name == "pos" else 1
        return cls(**values, comments=tuple(lines.comments))  # type: ignore[call-arg]


@dataclass(frozen=True, eq=False)
class Tripods(_TextFile):
    """Acoustic emitters on the sea floor.

    Attributes
    ----------
    id : (n,) int32 array
        Identifier of the tripod.
    pos : (n, 3) float64 array
        UTM Easting, Northing and height [m], not relative to the detector.
    comments : tuple of str
        Comments of the file.
    """

    columns = ("id", "pos")
    integers = (0,)

    id: np.ndarray
    pos: np.ndarray
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Hydrophones(_TextFile):
    """Acoustic receivers; a string that was worked on may come more than once.

    Attributes
    ----------
    du, floor : (n,) int32 arrays
        Module that the hydrophone is mounted on.
    pos : (n, 3) float64 array
        Position [m] relative to that module.
    comments : tuple of str
        Comments of the file.
    """

    columns = ("du", "floor", "pos")
    integers = (0, 1)

    du: np.ndarray
    floor: np.ndarray
    pos: np.ndarray
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Transmitters(_TextFile):
    """Acoustic emitters on the anchors of strings.

    Attributes
    ----------
    id : (n,) int32 array
        Identifier of the transmitter.
    du, floor : (n,) int32 arrays
        Module that it is mounted on.
    pos : (n, 3) float64 array
        Position [m] relative to that module.
    comments : tuple of str
        Comments of the file.
    """

    columns = ("id", "du", "floor", "pos")
    integers = (0, 1, 2)

    id: np.ndarray
    du: np.ndarray
    floor: np.ndarray
    pos: np.ndarray
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Waveforms(_TextFile):
    """Which emitter sounds which waveform.

    Attributes
    ----------
    id : (n,) int32 array
        Identifier of the waveform, negative for one that is inverted.
    tripod : (n,) int32 array
        Emitter, a tripod or a transmitter.
    comments : tuple of str
        Comments of the file.
    """

    columns = ("id", "tripod")
    integers = (0, 1)

    id: np.ndarray
    tripod: np.ndarray
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Mechanics(_TextFile):
    """How strings bend: the two constants of the mechanical model of each.

    Along a string that leans in a current the effective height is
    ``z + b ln(1 - a z)``.

    Attributes
    ----------
    du : (n,) int32 array
        String; -1 stands for all that have no row of their own.
    a : (n,) float64 array
        Constant a [1/m].
    b : (n,) float64 array
        Constant b [m].
    comments : tuple of str
        Comments of the file.
    """

    columns = ("du", "a", "b")
    integers = (0,)

    du: np.ndarray
    a: np.ndarray
    b: np.ndarray
    comments: tuple[str, ...] = ()

    def of(self, du: int) -> tuple[float, float]:
        """Give the constants (a, b) of a string.

        Raises
        ------
        FormatError
            It has no row, and there is none for all others.
        """
        for wanted in (du, -1):
            found = np.flatnonzero(self.du == wanted)
            if len(found):
                return float(self.a[found[0]]), float(self.b[found[0]])
        raise FormatError(f"no mechanical constants of string {du}", remedy="add a row for it, or for -1")


def open_lines(path: str | Path) -> Lines:
    """Read a text file into its comments and rows of words.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    """
    name = resolve_path(str(path))
    try:
        return Lines(Path(name).read_bytes(), name)
    except (FileNotFoundError, IsADirectoryError):
        raise InputNotFoundError(f"no file {name!r}", remedy="check the path") from None
