"""How a command ends: what is printed on an error, and the exit code.

Exit codes: 0 done, 1 an error, 2 wrong usage, 3 a run that ended with failed
chunks or detectors that differ, 130 interrupted.  An error is one line on stderr; the traceback comes
with ``--debug`` or ``KM3GPU_DEBUG=1``.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import textwrap
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TextIO, get_type_hints

import typer

from km3gpu.errors import Km3GpuError

__all__ = ["command", "ended"]

_Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of `app`, with errors as one line and the option ``--debug``.

    Parameters
    ----------
    app : typer.Typer
        Where the command goes.
    name : str
        What the user types.

    Returns
    -------
    callable
        A decorator that gives the function back unchanged.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def careful(*args: Any, debug: bool = False, **kwargs: Any) -> None:
            with ended(debug):
                function(*args, **kwargs)

        # typer reads options from the signature: the function's own, and one more
        hints = {**get_type_hints(function, include_extras=True), "debug": _Debug}
        option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Debug)
        parameters = [
            p.replace(annotation=hints[p.name]) for p in inspect.signature(function).parameters.values()
        ]
        careful.__annotations__ = hints
        vars(careful)["__signature__"] = inspect.Signature([*parameters, option])
        app.command(name)(careful)
        return function

    return register


@contextmanager
def ended(debug: bool) -> Iterator[None]:
    """Turn an exception of the block into a line on stderr and an exit code.

    Raises
    ------
    typer.Exit
        With the exit code, where the block raised.
    """
    try:
        with _warnings_in_a_line(debug):
            yield
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except Km3GpuError as error:  # before KeyboardInterrupt, which an interrupted run is too
        _say(f"error: {error}", debug)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        _say("interrupted", debug)
        raise typer.Exit(130) from None
    except OSError as error:  # a full disk, a folder that may not be written: no fault of the code
        words = " ".join(part for part in (error.strerror or str(error), _quoted(error.filename)) if part)
        _say(f"error: {words}", debug)
        raise typer.Exit(1) from None
    except Exception as error:
        words = textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...")
        _say(f"error: unexpected {words}; this is a fault of km3gpu, --debug shows where", debug)
        raise typer.Exit(1) from None


@contextmanager
def _warnings_in_a_line(debug: bool) -> Iterator[None]:
    """Print a warning as one line, once for all places it comes from."""
    said: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if str(message) not in said:
            said.add(str(message))
            print(f"km3gpu: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        if not debug:  # which shows the places
            warnings.showwarning = show
        yield


def _quoted(name: object) -> str:
    return "" if name is None else f"(in {os.fsdecode(name) if isinstance(name, bytes) else name})"


def _say(line: str, debug: bool) -> None:
    if debug or os.environ.get("KM3GPU_DEBUG", "") not in ("", "0"):
        traceback.print_exc()
    print(f"km3gpu: {line}", file=sys.stderr)
