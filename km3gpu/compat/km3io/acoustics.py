"""km3io's reader of raw acoustics."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from km3gpu.io import open as open_source
from km3gpu.io.rawacoustics import SAMPLING_HZ

__all__ = ["F_S", "RawAcousticReader"]

F_S = SAMPLING_HZ


class RawAcousticReader:
    """Read a file of raw acoustics as km3io does.

    Parameters
    ----------
    filepath : path
        A file that the acoustic data filter dumped; the length of a frame is
        found in it.
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        events = open_source(filepath).read(backend="cpu").events
        self._time_ns: np.ndarray = events.flat("time_ns")
        self._samples: np.ndarray = events.flat("samples")
        found = re.search(r"DOM_(\d+)", Path(filepath).name)
        self._id = found.group(1) if found else ""
        self.FRAME_LENGTH = self._samples.shape[1]

    @property
    def id(self) -> str:
        """Identifier of the module, from the file's name."""
        return self._id

    @property
    def pcm(self) -> np.ndarray:
        """All samples, one after another."""
        return self._samples.ravel()

    @property
    def timestamps(self) -> tuple[np.ndarray, np.ndarray]:
        """Seconds and cycles of 16 ns of the start of each frame."""
        seconds, ns = np.divmod(self._time_ns, 1_000_000_000)
        return seconds.astype(np.uint32), (ns // 16).astype(np.uint32)

    @property
    def timebase(self) -> np.ndarray:
        """Time of each sample [s since 1970], float64."""
        seconds, cycles = self.timestamps
        starts = seconds + 16e-9 * cycles
        return np.asarray(starts[:, None] + np.arange(self.FRAME_LENGTH) / F_S).ravel()

    def to_wav(self, filepath: str | os.PathLike[str], gain_dB: float = 0.0) -> None:
        """Write the samples as a WAV file of 32 bit floats.

        Parameters
        ----------
        filepath : path
            Where to.
        gain_dB : float
            Factor on the samples, 10 ** (gain / 10).
        """
        samples = (self.pcm * 10.0 ** (0.1 * gain_dB)).astype("<f4")
        rate = int(F_S)
        # RIFF with a format of IEEE floats (3), one channel of 32 bits
        form = np.array([(3, 1, rate, 4 * rate, 4, 32)], "<u2,<u2,<u4,<u4,<u2,<u2").tobytes()
        chunks = [
            (b"fmt ", form),
            (b"fact", len(samples).to_bytes(4, "little")),
            (b"data", samples.tobytes()),
        ]
        body = b"WAVE" + b"".join(n + len(b).to_bytes(4, "little") + b for n, b in chunks)
        Path(filepath).write_bytes(b"RIFF" + len(body).to_bytes(4, "little") + body)
