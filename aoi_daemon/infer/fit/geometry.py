"""How frames become what a model takes: which rectangles of the frame it sees, and where in its picture. Pure.

    exact   the frame is what the model takes; there is no plan
    pad     one piece, the frame at the left and at the top; the rest is gray
    resize  one piece, the frame made to fit, centred, the rest gray: Ultralytics' letterbox, which its models are
            trained with (the scale of the narrower side, sizes and margins rounded as theirs are)
    crop    one piece of the frame; what lies outside is not looked at
    tiles   pieces that overlap, in rows and columns; evenly spread, so that all of them share what is to spare
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from aoi_daemon.config.fit import DEFAULT_OVERLAP_PX, Fit
from aoi_daemon.infer.executor import FrameShape

MAX_TILES: Final = 256
_STEP_PX: Final = 8
"""Tiles begin at multiples of it, but for the last of a row: the places of a coarser map are the frame's then."""


class Takes(NamedTuple):
    """What frames a model takes: its own height and width, None: any; sizes are multiples of `stride_px`."""

    height_px: int | None
    width_px: int | None
    stride_px: int = 1


class Piece(NamedTuple):
    """A rectangle of the frame, and where the model sees it; in px, without fractions.

    x, y, width, height: in the frame. left, top, shown_width, shown_height: in the model's picture; what is
    beside it there is gray.
    """

    x: int
    y: int
    width: int
    height: int
    left: int
    top: int
    shown_width: int
    shown_height: int

    @property
    def scale(self) -> tuple[float, float]:
        """Px of the frame in one px of the model's picture: across, down."""
        return self.width / self.shown_width, self.height / self.shown_height

    @property
    def is_scaled(self) -> bool:
        """Whether the model sees it larger or smaller than it is."""
        return (self.width, self.height) != (self.shown_width, self.shown_height)


class Plan(NamedTuple):
    """How frames of `frame` become pictures of `model`, (height_px, width_px, channels) each.

    `columns`, `rows`: of tiles, whose pieces are told row by row; else 1. `is_smooth`: made smaller by Pillow's filter.
    """

    kind: str
    frame: FrameShape
    model: FrameShape
    pieces: tuple[Piece, ...]
    columns: int = 1
    rows: int = 1
    pad_value: int = 114
    is_smooth: bool = False

    @property
    def is_filled(self) -> bool:
        """Whether the pieces leave nothing of the model's picture gray."""
        piece = self.pieces[0]  # all are as large, and lie in the same place
        return (piece.shown_height, piece.shown_width) == self.model[:2]

    @property
    def text(self) -> str:
        """In words, for logs: what the model sees."""
        height, width = self.model[:2]
        count = f"{self.columns} x {self.rows} " if self.kind == "tiles" else ""
        return f"fit {self.kind}, {count}{'of' if count else 'to'} {width} x {height} px"


def plan_fit(fit: Fit, frame: FrameShape, takes: Takes) -> Plan | None:
    """The plan of a recipe; None: frames go to the model as they are.

    Args:
        fit: the recipe's; `kind` exact has no plan.
        frame: (height_px, width_px, channels) of its frames.
        takes: what the model takes.

    Raises:
        ValueError: it does not come out; names the key, what is wrong, and which fit would do.
    """
    if fit.kind == "exact":
        return None
    height, width, channels = frame
    if fit.kind == "pad":
        high, wide = _filled_up(frame, takes)
        if high < height or wide < width:
            raise ValueError(
                f"fit 'pad': the model sees {wide} x {high} px, the frame is {width} x {height}; 'tiles', 'resize' or "
                "'crop' would do"
            )
        piece = Piece(0, 0, width, height, 0, 0, width, height)
        return Plan("pad", frame, (high, wide, channels), (piece,), pad_value=fit.pad_value)
    high, wide = _sizes(fit, takes)
    model = (high, wide, channels)
    if fit.kind == "resize":
        piece = _letterboxed(frame, model)
        return Plan("resize", frame, model, (piece,), pad_value=fit.pad_value, is_smooth=fit.smooth)
    if fit.kind == "crop":
        return Plan("crop", frame, model, (_cropped(fit, frame, model),))
    return _tiled(fit, frame, model)


def fits_for(frame: FrameShape, takes: Takes) -> str:
    """Which fits would do for frames that the model does not take as they are, in words for a remedy."""
    height, width, _ = frame
    high, wide = _filled_up(frame, takes)
    if high >= height and wide >= width:
        return f"fit = 'pad' would fill them up to {wide} x {high} px; fit = 'resize' would make them as large"
    if high > height or wide > width:
        return "fit = 'tiles' would show it all at full scale, fit = 'resize' smaller"
    return (
        "fit = 'tiles' would show it all at full scale, piece by piece; fit = 'resize' smaller; fit = 'crop' a part of "
        "it alone"
    )


def _filled_up(frame: FrameShape, takes: Takes) -> tuple[int, int]:
    """The height and width that the model takes and that is next to the frame's, or its own."""
    stride = takes.stride_px
    return takes.height_px or -(-frame[0] // stride) * stride, takes.width_px or -(-frame[1] // stride) * stride


def _sizes(fit: Fit, takes: Takes) -> tuple[int, int]:
    """Height and width of what the model sees, by the model or by the recipe."""
    found = []
    for key, own, asked in (
        ("height_px", takes.height_px, fit.height_px),
        ("width_px", takes.width_px, fit.width_px),
    ):
        if own is None and asked is None:
            multiple = f", a multiple of {takes.stride_px}" if takes.stride_px > 1 else ""
            raise ValueError(f"fit.{key}: missing; the model takes any size, say which it is to see{multiple}")
        if own is not None and asked not in (None, own):
            raise ValueError(f"fit.{key} = {asked}: the model takes {own} px alone; leave the size out")
        size = own or asked or 0
        if size % takes.stride_px:
            raise ValueError(f"fit.{key} = {size}: no multiple of the model's {takes.stride_px} px")
        found.append(size)
    return found[0], found[1]


def _letterboxed(frame: FrameShape, model: FrameShape) -> Piece:
    (height, width), (high, wide) = frame[:2], model[:2]
    gain = min(high / height, wide / width)
    # One px at least: a frame 500 times as wide as it is high has no less.
    shown_width, shown_height = max(1, round(width * gain)), max(1, round(height * gain))
    left, top = round((wide - shown_width) / 2 - 0.1), round((high - shown_height) / 2 - 0.1)
    return Piece(0, 0, width, height, left, top, shown_width, shown_height)


def _cropped(fit: Fit, frame: FrameShape, model: FrameShape) -> Piece:
    (height, width), (high, wide) = frame[:2], model[:2]
    if high > height or wide > width:
        raise ValueError(
            f"fit 'crop': the model sees {wide} x {high} px, the frame is {width} x {height}; 'pad', 'resize' or "
            "'tiles' would do"
        )
    x = (width - wide) // 2 if fit.x_px is None else fit.x_px
    y = (height - high) // 2 if fit.y_px is None else fit.y_px
    for key, start, size, length in (("x_px", x, wide, width), ("y_px", y, high, height)):
        if start + size > length:
            raise ValueError(f"fit.{key} = {start}: {size} px from there on end outside the frame's {length} px")
    return Piece(x, y, wide, high, 0, 0, wide, high)


def _tiled(fit: Fit, frame: FrameShape, model: FrameShape) -> Plan:
    (height, width), (high, wide) = frame[:2], model[:2]
    overlap = fit.overlap_px
    if overlap is None:
        overlap = min(DEFAULT_OVERLAP_PX, min(high, wide) // 2)
    if 2 * overlap > min(high, wide):
        raise ValueError(f"fit.overlap_px = {overlap}: more than half of a tile of {wide} x {high} px")
    across, down = _starts(width, wide, overlap), _starts(height, high, overlap)
    if len(across) * len(down) > MAX_TILES:
        raise ValueError(
            f"fit 'tiles': {len(across)} x {len(down)} of {wide} x {high} px are needed, at most {MAX_TILES}; take "
            "larger ones, or less overlap"
        )
    pieces = tuple(
        Piece(x, y, min(wide, width), min(high, height), 0, 0, min(wide, width), min(high, height))
        for y in down
        for x in across
    )
    return Plan("tiles", frame, model, pieces, len(across), len(down), fit.pad_value)


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side of `length` px, so that neighbours share at least `overlap`."""
    if length <= tile:
        return [0]
    last, most = length - tile, tile - overlap
    step = most // _STEP_PX * _STEP_PX if most >= _STEP_PX else most
    count = 1 + -(-last // step)
    even = -(-last // (count - 1))
    step = min(step, -(-even // _STEP_PX) * _STEP_PX) if most >= _STEP_PX else step
    return [min(i * step, last) for i in range(count)]


def covered(plan: Plan) -> float:
    """The share of the frame that the model sees, 0..1."""
    if plan.kind != "crop":
        return 1.0
    return math.prod(plan.pieces[0][2:4]) / math.prod(plan.frame[:2])
