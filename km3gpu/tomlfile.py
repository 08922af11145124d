"""TOML files that remember on which line each key stands, for messages that say so."""

from __future__ import annotations

import os
import re
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from km3gpu.errors import ConfigError, InputNotFoundError

__all__ = ["Document", "Key", "Section", "parse_toml", "read_toml"]

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A TOML file that remembers on which line each key stands.

    Attributes
    ----------
    path : str
        The file, for messages.
    data : dict
        Its content.
    lines : mapping of tuple to int
        Line (from 1) by path of keys and list indices, ``("stage", 0, "use")``.
    """

    path: str
    data: dict[str, Any]
    lines: Mapping[Key, int] = field(repr=False)

    def where(self, *key: str | int) -> str:
        """Say where `key` stands, or the closest thing around it: ``"plan.toml, line 7"``."""
        for n in range(len(key), 0, -1):
            if key[:n] in self.lines:
                return f"{self.path}, line {self.lines[key[:n]]}"
        return self.path

    def section(self, *key: str | int) -> Section:
        """Give the table at `key`, empty where there is none.

        Raises
        ------
        ConfigError
            There is something else than a table.
        """
        node: Any = self.data
        for part in key:
            node = node.get(part, {}) if isinstance(part, str) else node[part]
        if not isinstance(node, dict):
            name = ".".join(map(str, key))
            raise ConfigError(f"{name!r} must be a table", where=self.where(*key), remedy=f"write [{name}]")
        return Section(self, key, node)


@dataclass(frozen=True)
class Section:
    """One table of a `Document`."""

    document: Document
    key: Key
    values: Mapping[str, Any]

    def where(self, *key: str | int) -> str:
        """Say where `key` of this table stands."""
        return self.document.where(*self.key, *key)


def read_toml(path: str | os.PathLike[str]) -> Document:
    """Read a TOML file.

    Raises
    ------
    InputNotFoundError
        There is no such file.
    ConfigError
        It is no TOML; the message names the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")  # editors of Windows begin with a mark
    except FileNotFoundError:
        raise InputNotFoundError(f"no file {str(path)!r}", remedy="check the path") from None
    except IsADirectoryError:
        raise InputNotFoundError(f"{str(path)!r} is a folder", remedy="name the TOML file in it") from None
    except UnicodeDecodeError as error:
        remedy = "give a TOML file, which is UTF-8"
        raise ConfigError(f"{str(path)!r} is not a text file in UTF-8", remedy=remedy) from error
    return parse_toml(text, str(path))


def parse_toml(text: str, path: str = "<text>") -> Document:
    """Read TOML from a string; `path` is for the messages (see `read_toml`)."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).partition(" (at ")
        where = f"{path}, {place.rstrip(')')}" if place else path
        known = (words for start, words in _WORDS.items() if message.startswith(start))
        said, remedy = next(known, (message, "correct the line"))
        if number := re.match(r"line (\d+)", place):
            said += f": {textwrap.shorten(text.splitlines()[int(number[1]) - 1], 60, placeholder=' ...')}"
        raise ConfigError(f"no valid TOML: {said}", where=where, remedy=remedy) from None
    return Document(path, data, _key_lines(text))


# what tomllib says of the faults that people make most, and what it means
_WORDS = {
    "Cannot overwrite a value": ("the key is set twice", "keep one of the two"),
    "Cannot declare": ("the table is there twice", "keep one, or write [[name]] for a list of tables"),
    "Cannot mutate immutable namespace": ("the table was written before", "write its keys in one place"),
    "Invalid value": ("no value that TOML knows", "put text into quotes; true, 1.5 and [1, 2] need none"),
}


def _key_lines(text: str) -> dict[Key, int]:
    """Find the line of every key of a valid TOML text (keys of inline tables: their parent's line)."""
    lines: dict[Key, int] = {}
    here: Key = ()
    counts: dict[Key, int] = {}
    depth = 0  # of brackets that stay open from line to line
    quote = ""  # the multi-line string that is open
    for number, line in enumerate(text.splitlines(), 1):
        fresh = depth == 0 and not quote
        stripped = line.strip()
        if fresh and stripped.startswith("["):
            array = stripped.startswith("[[")
            here = _enter(_dotted(stripped.strip("[").partition("]")[0]), counts, array)
            lines[here] = number
        elif fresh and stripped and not stripped.startswith("#"):
            name, value = _split_key(line)
            key = _dotted(name)
            for n in range(1, len(key) + 1):
                lines.setdefault((*here, *key[:n]), number)
            depth, quote = _scan(value, 0, "")
        else:
            depth, quote = _scan(line, depth, quote)
    return lines


def _enter(name: Key, counts: dict[Key, int], array: bool) -> Key:
    """Give the full path of a header, with the indices of the arrays of tables on its way."""
    path: Key = ()
    for i, part in enumerate(name):
        path = (*path, part)
        last = i == len(name) - 1
        if last and array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _split_key(line: str) -> tuple[str, str]:
    quote = ""
    for i, c in enumerate(line):
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c == "=":
            return line[:i], line[i + 1 :]
    return line, ""


def _dotted(name: str) -> Key:
    """Split ``a."b.c".d`` at the dots that stand outside quotes."""
    parts, current, quote = [], "", ""
    for c in name.strip():
        if quote:
            quote, current = ("", current) if c == quote else (quote, current + c)
        elif c in "\"'":
            quote = c
        elif c == ".":
            parts.append(current.strip())
            current = ""
        else:
            current += c
    return (*parts, current.strip())


def _scan(text: str, depth: int, quote: str) -> tuple[int, str]:
    """Follow brackets and multi-line strings over one line."""
    i = 0
    while i < len(text):
        if quote:
            end = text.find(quote, i)
            if quote[0] == '"':  # basic strings have escapes, literal ones do not
                while end > 0 and (end - len(text[:end].rstrip("\\"))) % 2:
                    end = text.find(quote, end + 1)
            if end < 0:
                return depth, quote if len(quote) == 3 else ""
            i, quote = end + len(quote), ""
            continue
        c = text[i]
        if text.startswith(('"""', "'''"), i):
            quote = text[i : i + 3]
        elif c in "\"'":
            quote = c
        elif c == "#":
            break
        elif c in "[{":
            depth += 1
        elif c in "]}":
            depth -= 1
        i += max(len(quote), 1)
    return depth, quote
