"""Text files of numbers: comments, blank lines, and errors that name the line."""

from __future__ import annotations

import math
from itertools import chain
from typing import NoReturn

import numpy as np

from km3gpu.errors import FormatError, TruncatedFileError

__all__ = ["Lines"]

_QUOTE = rb"\""


class Lines:
    r"""The lines of one file that are neither blank nor comment, and a place in them.

    Lines that start with ``#`` are comments.  Where one leaves a ``\"`` open,
    the lines up to the one that closes it belong to it: Jpp writes an argument
    with line breaks as it is, without ``#`` on the further lines.

    Parameters
    ----------
    data : bytes
        The whole file.
    path : str
        Its name, for error messages.

    Attributes
    ----------
    comments : list of str
        Without their ``#``.
    rows : list of list of bytes
        The words of each line that counts.
    lines : list of int
        Its number in the file, from 1.
    at : int
        The row that `next` gives next.
    """

    def __init__(self, data: bytes, path: str) -> None:
        self.path = path
        self.comments: list[str] = []
        self.rows: list[list[bytes]] = []
        self.lines: list[int] = []
        self.at = 0
        self._underscores = False
        self._split(data)

    def _split(self, data: bytes) -> None:
        raw = data.split(b"\n")
        self.n_lines = len(raw) - (not raw[-1])
        skip_to = 0
        for i, line in enumerate(raw):
            if i < skip_to:
                continue
            row = line.split()
            if not row:
                continue
            if not row[0].startswith(b"#"):
                self.rows.append(row)
                self.lines.append(i + 1)
                self._underscores |= b"_" in line
                continue
            block, skip_to = [line], i + 1
            if line.count(_QUOTE) % 2:
                end = next((k for k in range(i + 1, len(raw)) if raw[k].count(_QUOTE) % 2), None)
                if end is not None:
                    block, skip_to = raw[i : end + 1], end + 1
            self.comments.append("\n".join(_comment(part) for part in block))

    def fail(self, what: str, row: int) -> NoReturn:
        """Raise: what is wrong with a row, or that the file ends before it."""
        if row >= len(self.rows):
            raise TruncatedFileError(
                f"the file ends where {what}",
                where=f"{self.path}, line {self.n_lines}",
                remedy="get a complete copy",
            )
        text = b" ".join(self.rows[row]).decode("ascii", "replace")
        text = text if len(text) < 60 else text[:57] + "..."
        raise FormatError(f"{text!r} where {what}", where=f"{self.path}, line {self.lines[row]}")

    def next(self, width: int | tuple[int, ...], what: str) -> list[bytes]:
        """Give the next row, which must have `width` words."""
        widths = (width,) if isinstance(width, int) else width
        if self.at >= len(self.rows) or len(self.rows[self.at]) not in widths:
            self.fail(what, self.at)
        self.at += 1
        return self.rows[self.at - 1]

    def numbers(self, words: list[bytes], what: str) -> list[float]:
        """Turn `words` of the row just given into finite numbers."""
        try:
            values = [_number(w) for w in words]
        except ValueError:
            self.fail(what, self.at - 1)
        return values

    def integer(self, word: bytes, what: str) -> int:
        """Turn a word of the row just given into an int32."""
        (value,) = self.numbers([word], what)
        if value != int(value) or not -(2**31) <= value < 2**31:
            self.fail(what, self.at - 1)
        return int(value)

    def table(self, index: list[int], width: int, integers: tuple[int, ...]) -> np.ndarray:
        """Turn rows into an (n, width) array of finite numbers."""
        rows = [self.rows[i] for i in index]
        try:
            if self._underscores:  # float() takes them for digit separators
                raise ValueError
            flat = np.fromiter(map(float, chain.from_iterable(rows)), np.float64, len(index) * width)
        except ValueError:
            flat = np.array([_numbers_or_nan(row) for row in rows])
        table = flat.reshape(-1, width)
        good = np.isfinite(table).all(axis=1)
        whole = table[:, integers]
        with np.errstate(invalid="ignore"):
            good &= ((whole == np.floor(whole)) & (np.abs(whole) < 2**31)).all(axis=1)
        if not good.all():
            self.fail("numbers should be (integers for identifiers and status)", index[int(np.argmin(good))])
        return table


def _comment(line: bytes) -> str:
    text = line.rstrip(b"\r")
    if text.lstrip().startswith(b"#"):
        text = text.lstrip()[1:]
        text = text[1:] if text.startswith(b" ") else text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _number(word: bytes) -> float:
    value = float(word)
    if not math.isfinite(value) or b"_" in word:
        raise ValueError(word)
    return value


def _numbers_or_nan(words: list[bytes]) -> list[float]:
    try:
        return [_number(w) for w in words]
    except ValueError:
        return [math.nan] * len(words)
