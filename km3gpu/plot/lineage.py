"""The picture of a record: from the applications that made the inputs, through the stages, to the outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from km3gpu.pipeline.flow import Box, Flow, flow
from km3gpu.plot.style import COLOURS, RC

__all__ = ["lineage"]

# everything is in points, 1/72 inch
_WIDTH = 236.0
_LINE = 11.5
_TITLE = 13.0
_PAD = 6.0
_GAP = 24.0
_STEP = 15.0  # between the applications of a chain
_MARGIN = 18.0
_CHARACTERS = 46  # of the small print in a box

_FACES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "upstream": ("#f3f4f6", COLOURS["snapshot"]),
        "data": ("#e3eef8", COLOURS["expected"]),
        "calibration": ("#fdf0dc", "#e69f00"),
        "stage": ("#ffffff", COLOURS["ink"]),
        "output": ("#e0f2ec", "#009e73"),
        "missing": ("#fbe5da", COLOURS["track"]),
    }
)


def lineage(record: Mapping[str, Any], name: str) -> Figure:
    """Draw where the rows of a run came from and what became of them, from top to bottom.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`: of a run, or embedded in an output.
    name : str
        Title of the picture.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved as SVG, PNG or PDF.  Inputs that came the same way are one
        box.
    """
    with mpl.rc_context(dict(RC)):
        return _Picture(flow(record, name)).figure


def _height(box: Box) -> float:
    lines = 0 if box.kind == "upstream" else len(box.lines)  # a chain may be long
    return 2 * _PAD + _TITLE + _LINE * lines


class _Picture:
    """Rows of boxes, laid out from the top; y grows downwards."""

    def __init__(self, content: Flow) -> None:
        self.content = content
        self.steps_height = sum(
            max([_height(s.stage), *([sum(map(_height, s.files)) + _PAD * len(s.files)] if s.files else [])])
            + _GAP
            for s in content.steps
        )
        beside = any(s.files for s in content.steps)
        n = max(len(content.lanes), len(content.outputs), 3 if beside else 1)
        self.width = n * _WIDTH + (n - 1) * _GAP + 4 * _MARGIN
        above = max((sum(_height(b) + _STEP for b in lane.upstream) for lane in content.lanes), default=0.0)
        inputs = max((_height(lane.data) for lane in content.lanes), default=0.0)
        outputs = max(map(_height, content.outputs), default=0.0)
        head = 22.0 + _LINE * len(content.lines)
        frame = self.steps_height + _GAP if content.steps else 0.0
        self.height = 2 * _MARGIN + head + _GAP + above + inputs + _GAP + frame + _GAP + outputs
        self.figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=144)
        self.axes: Axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set(xlim=(0, self.width), ylim=(self.height, 0))
        self.axes.axis("off")
        self._draw(head, above, inputs, frame)

    def _draw(self, head: float, above: float, inputs: float, frame: float) -> None:
        content, middle = self.content, self.width / 2
        y = _MARGIN
        self._text(2 * _MARGIN, y, content.title, size=13, weight="bold")
        for n, line in enumerate(content.lines):
            self._text(2 * _MARGIN, y + 22 + n * _LINE, line, size=8, colour=COLOURS["quiet"])
        y += head + _GAP
        ends = [
            self._lane(x, y, above, lane.upstream, lane.data)
            for x, lane in zip(self._row(len(content.lanes)), content.lanes, strict=True)
        ]
        y += above + inputs + _GAP
        if content.steps:
            self._frame(y, frame)
            tops = self._steps(middle, y + _GAP / 2)
            for x, bottom in ends:
                self._arrow(x, bottom, middle, tops[0][0])
            ends = [(middle, tops[-1][1])]
            y += frame
        y += _GAP
        for x, box in zip(self._row(len(content.outputs)), content.outputs, strict=True):
            self._box(x, y, box)
            for from_x, bottom in ends:
                self._arrow(from_x, bottom, x, y)

    def _row(self, n: int) -> list[float]:
        """Give the middles of `n` boxes beside each other."""
        step = _WIDTH + _GAP
        return [self.width / 2 + (i - (n - 1) / 2) * step for i in range(n)]

    def _lane(
        self, x: float, y: float, above: float, upstream: Sequence[Box], data: Box
    ) -> tuple[float, float]:
        """Draw who made the inputs, so that the inputs of all lanes are on one line."""
        at = y + above - sum(_height(b) + _STEP for b in upstream)
        last = None
        for box in (*upstream, data):
            if last is not None:
                self._arrow(x, last, x, at)
            last = self._box(x, at, box)
            at = last + _STEP
        assert last is not None
        return x, last

    def _steps(self, x: float, y: float) -> list[tuple[float, float]]:
        """Draw the stages below each other, their files to the left; give top and bottom of each."""
        ends: list[tuple[float, float]] = []
        for step in self.content.steps:
            bottom = self._box(x, y, step.stage)
            at = y
            for box in step.files:
                below = self._box(x - _WIDTH - _GAP, at, box)
                self._arrow(x - _WIDTH / 2 - _GAP, (at + below) / 2, x - _WIDTH / 2, (y + bottom) / 2)
                at = below + _PAD
            if ends:
                self._arrow(x, ends[-1][1], x, y)
            ends.append((y, bottom))
            y = max(bottom, at - _PAD) + _GAP
        return ends

    def _frame(self, y: float, height: float) -> None:
        size = (self.width - 2 * _MARGIN, height - _GAP / 2)
        self.axes.add_patch(
            Rectangle((_MARGIN, y), *size, facecolor="#fafbfc", edgecolor=COLOURS["rule"], lw=0.8, zorder=0)
        )
        right = self.width - _MARGIN - _PAD
        self._text(right, y + _PAD, "the run", size=8, colour=COLOURS["quiet"], align="right")

    def _box(self, x: float, y: float, box: Box) -> float:
        """Draw a box with its middle at `x` and its top at `y`; give its bottom."""
        face, edge = _FACES[box.kind]
        height = _height(box)
        shape = FancyBboxPatch(
            (x - _WIDTH / 2, y),
            _WIDTH,
            height,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=face,
            edgecolor=edge,
            lw=1.0,
            zorder=2,
        )
        self.axes.add_patch(shape)
        left = x - _WIDTH / 2 + _PAD + 2
        room = _CHARACTERS - 8 - (len("".join(box.lines)) if box.kind == "upstream" else 0)
        self._text(left, y + _PAD, _cut(box.title, room), size=9, weight="bold")
        if box.kind == "upstream":
            right = x + _WIDTH / 2 - _PAD
            when = "".join(box.lines)
            self._text(right, y + _PAD + 1, when, size=7.5, colour=COLOURS["quiet"], align="right")
            return y + height
        for n, line in enumerate(box.lines):
            at = y + _PAD + _TITLE + n * _LINE
            self._text(left, at, _cut(line, _CHARACTERS), size=7.5, colour=COLOURS["ink"])
        return y + height

    def _arrow(self, x0: float, y0: float, x1: float, y1: float) -> None:
        self.axes.annotate(
            "",
            xy=(x1, y1),
            xytext=(x0, y0),
            zorder=1,
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLOURS["quiet"],
                "lw": 0.9,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 9,
            },
        )

    def _text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float,
        colour: str = COLOURS["ink"],
        weight: str = "normal",
        align: str = "left",
    ) -> None:
        # parse_math: file names may hold dollar signs
        self.axes.text(
            x,
            y,
            words,
            fontsize=size,
            color=colour,
            weight=weight,
            ha=align,
            va="top",
            zorder=3,
            parse_math=False,
        )


def _cut(text: str, n: int) -> str:
    """Shorten a text in its middle: names begin and end with what tells them apart."""
    if len(text) <= n:
        return text
    head = (n - 1) * 3 // 5
    return f"{text[:head]}…{text[head + 1 - n :]}"
