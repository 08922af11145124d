"""PMT files: efficiency, gain and timing of every PMT, from K40 calibrations.

Lines ``QE=...`` and ``mu=...`` hold for the detector, ``%.name=value`` for PMTs
without a line of their own, and ``PMT= dom channel QE gain gainSpread riseTime_ns
TTS_ns threshold`` for one PMT.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from km3gpu.detector.arrays import Columns
from km3gpu.detector.instruments import open_lines
from km3gpu.detector.lines import Lines

__all__ = ["PmtFile"]

_WIDTH = 9


@dataclass(frozen=True, eq=False)
class PmtFile(Columns):
    """Properties of PMTs; one row per PMT, in the order of the file.

    Attributes
    ----------
    dom_id, channel_id : (n,) int32 arrays
        Module and channel.
    qe : (n,) float64 array
        Relative quantum efficiency; 0 for a PMT that is off.
    gain, gain_spread : (n,) float64 arrays
        Gain and its spread, relative to the nominal gain.
    rise_time : (n,) float64 array
        Rise time of the pulse [ns].
    tts : (n,) float64 array
        Transit time spread [ns]; negative: a built-in distribution stands for it.
    threshold : (n,) float64 array
        Threshold [npe].
    detector_qe : float
        ``QE`` of the file, a factor for all.
    mu : float
        ``mu`` of the file, mean number of photo-electrons per hit.
    defaults : tuple of (str, float)
        ``%.name`` of the file, for PMTs that have no row.
    comments : tuple of str
        Comments of the file.
    """

    dom_id: np.ndarray
    channel_id: np.ndarray
    qe: np.ndarray
    gain: np.ndarray
    gain_spread: np.ndarray
    rise_time: np.ndarray
    tts: np.ndarray
    threshold: np.ndarray
    detector_qe: float
    mu: float
    defaults: tuple[tuple[str, float], ...] = ()
    comments: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.dom_id)

    @classmethod
    def open(cls, path: str | Path) -> PmtFile:
        """Read a PMT file.

        Parameters
        ----------
        path : str or Path
            ``"testdata:..."`` names a file of the package km3net-testdata.

        Raises
        ------
        InputNotFoundError
            There is no such file.
        FormatError
            A line is none of the four kinds; it is named.
        """
        lines = open_lines(path)
        values, defaults, pmts = _sorted_rows(lines)
        table = lines.table(np.array(pmts, dtype=np.int64), _WIDTH, (1, 2), lines.values(0))
        dom_id, channel_id, qe, gain, gain_spread, rise_time, tts, threshold = table[:, 1:].T
        return cls(
            dom_id,
            channel_id,
            qe,
            gain,
            gain_spread,
            rise_time,
            tts,
            threshold,
            detector_qe=values.get("QE", 1.0),
            mu=values.get("mu", float("nan")),
            defaults=tuple(defaults.items()),
            comments=tuple(lines.comments),
        )


def _sorted_rows(lines: Lines) -> tuple[dict[str, float], dict[str, float], list[int]]:
    values: dict[str, float] = {}
    defaults: dict[str, float] = {}
    pmts = []
    for i in range(len(lines)):
        row = lines.row(i)
        if row[0] == b"PMT=":
            if len(row) != _WIDTH:
                lines.fail("'PMT= dom channel' and 6 values should be", i)
            lines.words[lines.first[i]] = b"0"  # so that the row is one of numbers
            pmts.append(i)
            continue
        name, equals, value = b"".join(row).partition(b"=")
        lines.at = i + 1
        number = lines.numbers([value if equals else b"?"], "'PMT= ...' or 'name=value' should be")[0]
        key = name.decode("ascii", "replace")
        if key.startswith("%."):
            defaults[key[2:]] = number
        elif key in ("QE", "mu"):
            values[key] = number
        else:
            lines.fail("'PMT= ...', 'QE=', 'mu=' or '%.name=' should be", i)
    return values, defaults, pmts
