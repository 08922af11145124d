"""Text files of numbers: comments, blank lines, and errors that name the line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import NoReturn

import numpy as np

from km3gpu.errors import FormatError, TruncatedFileError

__all__ = ["Lines"]

_QUOTE = rb"\""
_BLANK = np.isin(np.arange(256), list(b" \t\n\r\x0b\x0c"))  # what bytes.split() takes for blank


class Lines:
    r"""The lines of one file that are neither blank nor comment, and a place in them.

    Lines that start with ``#`` are comments.  Where one leaves a ``\"`` open,
    the lines up to the one that closes it belong to it: Jpp writes an argument
    with line breaks as it is, without ``#`` on the further lines.

    All words of the file are one flat list; a row is a stretch of it.

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
    words : list of bytes
        All words that are not of comments.
    first : (n_rows + 1,) int64 array
        Row ``i`` has the words ``first[i]`` to ``first[i + 1]``.
    lines : (n_rows,) int64 array
        Number of each row's line in the file, from 1.
    at : int
        The row that `next` gives next.
    """

    def __init__(self, data: bytes, path: str) -> None:
        self.path = path
        self.at = 0
        self.n_lines = data.count(b"\n") + (data[-1:] not in (b"", b"\n"))
        text, self.comments = _without_comments(data)
        self._underscores = b"_" in text
        self.words = text.split()
        blank = _BLANK[np.frombuffer(text, dtype=np.uint8)]
        begins = ~blank
        begins[1:] &= blank[:-1]
        # words before each line end, and of the last line
        ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
        before = np.concatenate((np.cumsum(begins)[ends], [len(self.words)])) if len(text) else np.zeros(1)
        counts = np.diff(before.astype(np.int64), prepend=0)
        self.lines = np.flatnonzero(counts) + 1
        self.first = np.concatenate(([0], np.cumsum(counts[self.lines - 1])))

    def __len__(self) -> int:
        return len(self.lines)

    def row(self, i: int) -> list[bytes]:
        """Give the words of row `i`."""
        return self.words[self.first[i] : self.first[i + 1]]

    @property
    def widths(self) -> np.ndarray:
        """Number of words of each row, (n_rows,)."""
        return np.diff(self.first)

    def fail(self, what: str, row: int) -> NoReturn:
        """Raise: what is wrong with a row, or that the file ends before it."""
        if row >= len(self):
            raise TruncatedFileError(
                f"the file ends where {what}",
                where=f"{self.path}, line {self.n_lines}",
                remedy="get a complete copy",
            )
        text = b" ".join(self.row(row)).decode("ascii", "replace")
        text = text if len(text) < 60 else text[:57] + "..."
        raise FormatError(f"{text!r} where {what}", where=f"{self.path}, line {self.lines[row]}")

    def next(self, width: int, what: str) -> list[bytes]:
        """Give the next row, which must have `width` words."""
        if self.at >= len(self) or self.first[self.at + 1] - self.first[self.at] != width:
            self.fail(what, self.at)
        self.at += 1
        return self.row(self.at - 1)

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

    def values(self, begin: int) -> np.ndarray:
        """Turn all words from row `begin` on into numbers, NaN where a row has one that is none."""
        words = islice(self.words, int(self.first[begin]), None)
        n = int(self.first[-1] - self.first[begin])
        try:
            if self._underscores:  # float() takes them for digit separators
                raise ValueError
            return np.fromiter(map(float, words), np.float64, n)
        except ValueError:
            rows = (_numbers_or_nan(self.row(i)) for i in range(begin, len(self)))
            return np.fromiter((x for row in rows for x in row), np.float64, n)

    def table(self, rows: np.ndarray, width: int, integers: Iterable[int], values: np.ndarray) -> np.ndarray:
        """Pick rows of one width out of the numbers, and check them.

        Parameters
        ----------
        rows : (n,) int array
            Rows of `width` words each.
        width : int
            Number of columns.
        integers : iterable of int
            Columns that must hold int32.
        values : array
            From `values`; its end is that of the file.

        Returns
        -------
        (n, width) float64 array
        """
        begin = self.first[:-1][rows] - (self.first[-1] - len(values))
        table = values[begin[:, None] + np.arange(width)]
        good = np.isfinite(table).all(axis=1)
        whole = table[:, list(integers)]
        with np.errstate(invalid="ignore"):
            good &= ((whole == np.floor(whole)) & (np.abs(whole) < 2**31)).all(axis=1)
        if not good.all():
            self.fail("numbers should be (integers for identifiers and status)", int(rows[np.argmin(good)]))
        return np.asarray(table)


def _without_comments(data: bytes) -> tuple[bytes, list[str]]:
    """Give the text with empty lines in place of comments, and the comments."""
    kept: list[bytes] = []
    comments: list[str] = []
    done = at = 0
    while (at := data.find(b"#", at)) >= 0:
        begin = data.rfind(b"\n", 0, at) + 1
        end = _line_end(data, at)
        if data[begin:at].strip():  # not at the beginning of its line
            at = end
            continue
        if data.count(_QUOTE, begin, end) % 2:
            end = _closing_line_end(data, end) or end
        kept += (data[done:begin], b"\n" * data.count(b"\n", begin, end))
        comments.append("\n".join(map(_comment, data[begin:end].split(b"\n"))))
        done = at = end
    kept.append(data[done:])
    return b"".join(kept), comments


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return len(data) if end < 0 else end


def _closing_line_end(data: bytes, at: int) -> int:
    """Give the end of the first line after `at` with an odd number of quotes, 0 for none."""
    while (at := data.find(_QUOTE, at)) >= 0:
        begin, end = data.rfind(b"\n", 0, at) + 1, _line_end(data, at)
        if data.count(_QUOTE, begin, end) % 2:
            return end
        at = end
    return 0


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
