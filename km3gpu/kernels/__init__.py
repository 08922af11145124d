"""Numbers only: flat arrays in, flat arrays out, on the CPU and on a GPU.

Each kernel is written once per idea and found under the same name in four
places: ``scalar`` (the mathematics, scalars in and out), ``cpu`` and ``cuda``
(drivers that loop it) and ``reference`` (slow, obvious NumPy).  The public
function of the module itself checks the arguments, makes the outputs and picks
the driver from the arrays it is given.
"""

from __future__ import annotations

from km3gpu.kernels.launch import threads

__all__ = ["threads"]
