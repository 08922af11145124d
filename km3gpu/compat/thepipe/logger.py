"""Named loggers with colours on a terminal, and printers that say who speaks."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

from km3gpu.compat.thepipe.tools import colored, supports_color

__all__ = [
    "DEPRECATION",
    "ONCE",
    "PipelineLogger",
    "Printer",
    "available_loggers",
    "get_logger",
    "get_printer",
    "set_level",
]

DEPRECATION = 45
ONCE = 46
DATEFMT = "%Y-%m-%d %H:%M:%S"

logging.addLevelName(DEPRECATION, "DEPRECATION")
logging.addLevelName(ONCE, "ONCE")

_COLOURS = {
    "DEBUG": "white",
    "INFO": "green",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "red",
    "ONCE": "cyan",
    "DEPRECATION": "blue",
}


class PipelineLogger(logging.Logger):
    """A logger that can also warn of old names, and say a thing only once.

    It is pickled by name, with its handlers made anew on the other side.
    """

    def deprecation(self, message: str, *args: Any, **kwargs: Any) -> None:
        """Tell that something should not be used any more."""
        self._log(DEPRECATION, message, args, **kwargs)

    def once(self, message: str, *args: Any, identifier: Any = None, **kwargs: Any) -> None:
        """Log the first time only, for each `identifier`, or each line that calls it."""
        if identifier is None:
            caller = sys._getframe(1)
            identifier = (caller.f_code.co_filename, caller.f_lineno)
        said: set[Any] = self.__dict__.setdefault("said", set())
        if identifier not in said:
            said.add(identifier)
            self._log(ONCE, message, args, **kwargs)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return get_logger, (self.name,)


class _Stderr(logging.StreamHandler[Any]):
    """Writes to what stderr is now, not to what it was when the logger was made."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level, name = f"{record.levelname:<8}", f"++ {record.name}"
        if _terminal(sys.stderr):
            level, name = colored(level, _COLOURS.get(record.levelname)), _marked(record.name)
        when = self.formatTime(record, self.datefmt) + " " if self.datefmt else ""
        text = f"{when}{level} {name}: {record.getMessage()}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def get_logger(name: str, filename: str | None = None, datefmt: str | None = DATEFMT) -> PipelineLogger:
    """Give the logger of this name.

    Parameters
    ----------
    name : str
    filename : str, optional
        Also log to this file.
    datefmt : str, optional
        How times are written; None for no times.

    Returns
    -------
    PipelineLogger
        Writes to stderr, and hands nothing on to the root logger.
    """
    logger = logging.getLogger(name)
    if type(logger) is logging.Logger:
        logger.__class__ = PipelineLogger
    assert isinstance(logger, PipelineLogger)
    if not logger.handlers:
        logger.propagate = False
        handler = _Stderr()
        handler.setFormatter(_Formatter(datefmt=datefmt))
        logger.addHandler(handler)
        if filename:
            file = logging.FileHandler(filename)
            file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-8s %(name)s: %(message)s"))
            logger.addHandler(file)
    return logger


def set_level(name: str, level: int | str) -> None:
    """Set the level below which the logger of this name is silent."""
    get_logger(name).setLevel(level)


def available_loggers() -> list[str]:
    """Give the names of all loggers of the process."""
    return list(logging.Logger.manager.loggerDict)


class Printer:
    """Prints lines with the time and a name before them.

    Parameters
    ----------
    name : str
    color : str, optional
        Colour of the name; by default two crosses before it have colours that go with it.
    ansi_code : int, optional
        The same, as a number of the 256 colours.
    force_color : bool
        Colour also what goes into a pipe.
    """

    def __init__(
        self, name: str, color: str | None = None, ansi_code: int | None = None, force_color: bool = False
    ) -> None:
        self.name = name
        self.color = color
        self.ansi_code = ansi_code
        self.force_color = force_color

    def __call__(self, text: object) -> None:
        """Print a line."""
        name = self.name
        if self.force_color or supports_color():
            own = self.color is None and self.ansi_code is None
            name = _marked(name) if own else colored(name, self.color, ansi_code=self.ansi_code)
        sys.stdout.write(f"{datetime.now().strftime(DATEFMT)} {name}: {text}\n")


def get_printer(
    name: str, color: str | None = None, ansi_code: int | None = None, force_color: bool = False
) -> Printer:
    """Give a function that prints lines with this name before them (see `Printer`)."""
    return Printer(name, color, ansi_code, force_color)


def _marked(name: str) -> str:
    """Put two crosses before a name, in colours that go with it."""
    codes = (int(sha256(text.encode()).hexdigest(), 16) % 230 for text in (name, name + "salt"))
    return "".join(colored("+", ansi_code=code) for code in codes) + " " + name


def _terminal(stream: Any) -> bool:
    return bool(getattr(stream, "isatty", bool)())
