"""Settings: defaults < TOML file < KM3GPU_* environment < call.

A group of settings is a frozen dataclass whose fields are its keys.  `resolve`
fills one from the four layers and remembers, for each value, the layer it came
from.  A key that nobody knows is an error that names the file, the line and
the closest key, never a silent nothing.

A field may carry ``metadata={"choices": (...), "minimum": 1}``; every field of a
group that is resolved with an environment can be set as ``KM3GPU_<NAME>``.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from km3gpu.errors import ConfigError, closest
from km3gpu.tomlfile import Section

__all__ = ["PREFIX", "Resolved", "check_keys", "check_type", "resolve"]

PREFIX = "KM3GPU_"
T = TypeVar("T")


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """A group of settings and where each of its values came from.

    Attributes
    ----------
    value : dataclass
        The settings.
    origins : mapping of str to str
        By key: ``"default"``, ``"plan.toml, line 7"``, ``"KM3GPU_WORKERS"`` or ``"call"``.
    """

    value: T
    origins: Mapping[str, str]


def resolve(
    group: type[T],
    *,
    section: Section | None = None,
    environment: Mapping[str, str] | None = None,
    call: Mapping[str, Any] | None = None,
) -> Resolved[T]:
    """Fill a group of settings from its layers, the later the stronger.

    Parameters
    ----------
    group : frozen dataclass
        Its fields are the keys; the defaults are theirs.
    section : Section, optional
        Table of a TOML file.
    environment : mapping, optional
        ``os.environ`` or the like; ``KM3GPU_<KEY>`` sets a key.
    call : mapping, optional
        What the caller asked for; None means "not asked".

    Returns
    -------
    Resolved

    Raises
    ------
    ConfigError
        Unknown key, wrong type, or a value out of its range; with place and remedy.
    """
    fields = {f.name: f for f in dataclasses.fields(group) if f.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(group)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(fields, "default")

    def put(key: str, value: Any, origin: str, where: str) -> None:
        values[key] = _checked(key, value, hints[key], fields[key].metadata, where)
        origins[key] = origin

    if section is not None:
        check_keys(section, fields)
        for key, value in section.values.items():
            put(key, value, section.where(key), section.where(key))
    for key in fields:
        text = (environment or {}).get(PREFIX + key.upper())
        if text is not None:
            name = f"environment variable {PREFIX}{key.upper()}"
            put(key, _from_text(key, text, hints[key], name), PREFIX + key.upper(), name)
    for key, value in (call or {}).items():
        if key not in fields:
            raise _unknown(key, fields, "argument", None)
        if value is not None:
            put(key, value, "call", f"argument {key!r}")
    return Resolved(group(**values), origins)


def check_keys(section: Section, known: Iterable[str]) -> None:
    """Raise the `ConfigError` that names file, line and closest key for the first unknown key."""
    known = list(known)
    for key in section.values:
        if key not in known:
            raise _unknown(key, known, "key", section.where(key))


def check_type(key: str, value: Any, hint: Any, where: str) -> None:
    """Raise the `ConfigError` that names a value of the wrong type, where the type is a plain one."""
    options = _options(hint)
    plain = tuple(o for o in options if o in (bool, int, float, str, type(None)))
    # a text may stand for an object, a number never does
    named = str in plain and all(isinstance(o, type) and o not in (Any, object) for o in options)
    if plain == options or (named and isinstance(value, bool | int | float)):
        _as_type(key, value, plain, where)


def _unknown(key: str, known: Iterable[str], kind: str, where: str | None) -> ConfigError:
    names = closest(key, known)
    remedy = f"did you mean {names[0]!r}? There is: {', '.join(names)}" if names else "there is none at all"
    return ConfigError(f"unknown {kind} {key!r}", where=where, remedy=remedy)


def _options(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _checked(key: str, value: Any, hint: Any, metadata: Mapping[str, Any], where: str) -> Any:
    """Give `value` as the type that the field has."""
    value = _as_type(key, value, _options(hint), where)
    choices = metadata.get("choices")
    if choices is not None and value is not None and value not in choices:
        remedy = "there is: " + ", ".join(closest(str(value), map(str, choices)))
        raise ConfigError(f"{key} = {value!r} is none of its choices", where=where, remedy=remedy)
    minimum = metadata.get("minimum")
    if minimum is not None and isinstance(value, int | float) and value < minimum:
        raise ConfigError(f"{key} = {value!r} is too small", where=where, remedy=f"take at least {minimum}")
    return value


def _as_type(key: str, value: Any, options: tuple[Any, ...], where: str) -> Any:
    for option in options:
        kind = typing.get_origin(option) or option
        if kind is type(None):
            fits = value is None
        elif kind is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
            value = float(value) if fits and int not in options else value
        elif kind is int:
            fits = isinstance(value, int) and not isinstance(value, bool)
        elif kind is tuple:
            of = (int, float) if typing.get_args(option)[:1] == (float,) else str
            fits = isinstance(value, list | tuple) and all(
                isinstance(v, of) and not isinstance(v, bool) for v in value
            )
            value = tuple(value) if fits else value
        else:
            fits = isinstance(value, kind)
        if fits:
            return value
    wanted = " or ".join(
        _NAMES.get(o) or _NAMES.get(typing.get_origin(o) or o, str(o)) for o in options if o is not type(None)
    )
    raise ConfigError(f"{key} = {value!r} is of the wrong type", where=where, remedy=f"give {wanted}")


_NAMES: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    bool: "true or false",
    tuple: "a list of texts",
    tuple[float, ...]: "a list of numbers",
    dict: "a table",
}
_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _from_text(key: str, text: str, hint: Any, where: str) -> Any:
    """Turn the text of an environment variable into the type of its field."""
    for option in _options(hint):
        kind = typing.get_origin(option) or option
        try:
            if kind is bool and text.lower() in _WORDS:
                return _WORDS[text.lower()]
            if kind in (int, float):
                return kind(text)
        except ValueError:
            continue
        if kind is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        if kind is str:
            return text
    return _as_type(key, text, _options(hint), where)
