"""The interface of thepipe 1.3: scripts and modules written for it run after changing the import line.

Change ``import thepipe`` to ``from km3gpu.compat import thepipe``, or
``from thepipe import Module`` to ``from km3gpu.compat.thepipe import Module``.
For packages that import thepipe themselves, km3pipe among them, call
`take_over` before they are imported.

What is better here:

- a module that raises does not keep the others from being finished, and the
  record says ``"error"``, with the exception, its module and its cycle;
- a session that is killed leaves a record of what was going on; SIGTERM ends a
  pipeline as Ctrl-C does, after the cycle, and then the process (exit code 143);
  an interrupted pipeline is recorded as ``"interrupted"``;
- `drain` runs in any thread, and gives the handlers of signals back;
- modules, blobs, loggers and services can be pickled and copied;
- each pipeline has its own place in the record, however many are built before
  the first is drained;
- a function attached twice is two modules; what `finish` of modules of one name
  gives is kept (the last under the name, earlier ones as ``name#1``);
- ``blob_keys`` is not called an ignored parameter, CONDA_PROMPT_MODIFIER is
  spelt as conda spells it, `colored` ends with the code and not with its letters;
- times can be had as values (`Pipeline.statistics`).

A module is also a stage of a plan, ``use = "thepipe:package.Class"``; see
`km3gpu.compat.thepipe.stage`, and `km3gpu.compat.thepipe.layout` for what it sees.
`km3gpu.compat.thepipe.pump.EventPump` pumps the events of every file that km3gpu
reads.
"""

from __future__ import annotations

from km3gpu._version import __version__ as version
from km3gpu.compat.thepipe import core, logger, provenance, tools
from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.module import Module
from km3gpu.compat.thepipe.pipeline import Pipeline
from km3gpu.compat.thepipe.provenance import Provenance
from km3gpu.compat.thepipe.takeover import take_over

__all__ = [
    "Blob",
    "Module",
    "Pipeline",
    "Provenance",
    "core",
    "logger",
    "provenance",
    "take_over",
    "tools",
    "version",
]
