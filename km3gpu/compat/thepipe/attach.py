"""What can be attached to a pipeline, and how it becomes a module."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from km3gpu.compat.thepipe.module import FunctionModule, Module
from km3gpu.errors import ConfigError

__all__ = ["make_module"]


def make_module(
    factory: Any, name: str | None, parameters: Mapping[str, Any], configured: Mapping[str, Any], timeit: bool
) -> Any:
    """Make the module of a class, a function or another thing that can be called.

    Parameters
    ----------
    factory : class or callable
        A class of modules, also one derived from that of thepipe itself; a
        function from blob to blob; or a module that is made already.
    name : str, optional
        That of the factory by default.
    parameters : mapping
        Keyword arguments of ``attach``.
    configured : mapping
        From the configuration file; stronger than `parameters`.
    timeit : bool
        Measure functions.

    Returns
    -------
    Module or FunctionModule

    Raises
    ------
    ConfigError
        It cannot be called.
    """
    if isinstance(factory, Module):
        module: Any = factory
        if name is not None:
            module._name = name
        values = dict(parameters)
    else:
        if not callable(factory):
            raise ConfigError(f"cannot attach {factory!r}", remedy="attach a class of modules, or a function")
        name = getattr(factory, "__name__", type(factory).__name__) if name is None else name
        is_class = inspect.isclass(factory) and hasattr(factory, "process")
        if is_class or name == "GenericPump":
            values = {**parameters, **configured}
            module = factory(name=name, **values)
        else:
            values = dict(parameters)
            module = FunctionModule(factory, name, timeit)
    only_if = values.get("only_if", ())
    module.only_if = {only_if} if isinstance(only_if, str) else set(only_if)
    module.blob_keys = values.get("blob_keys")
    module.every = values.get("every", 1)
    return module
