"""Parameters of modules from a file.

::

    [VARIABLES]
    DETECTOR = "det.detx"

    [Calibration]             # the name of a module
    filename = "DETECTOR"     # the value of the variable
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from km3gpu.tomlfile import read_toml

__all__ = ["DEFAULT", "read_configuration"]

DEFAULT = "pipeline.toml"


def read_configuration(
    path: str | os.PathLike[str] | None, default: str = DEFAULT
) -> tuple[str | None, dict[str, dict[str, Any]]]:
    """Read the parameters of modules.

    Parameters
    ----------
    path : path, optional
        By default `default`, where there is such a file.
    default : str
        Relative to the working directory.

    Returns
    -------
    (str or None, dict)
        The file that was read, and parameters by name of the module.

    Raises
    ------
    InputNotFoundError, ConfigError
        There is no such file, or it is no TOML.
    """
    if path is None:
        if not Path(default).exists():
            return None, {}
        path = default
    document = read_toml(path)
    variables = document.section("VARIABLES").values
    found = {}
    for name in document.data:
        if name != "VARIABLES":
            section = document.section(name).values
            found[name] = {
                k: variables[v] if isinstance(v, str) and v in variables else v for k, v in section.items()
            }
    return os.fspath(path), found
