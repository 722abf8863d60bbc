"""Pieces of a frame as the model takes them, without a copy of the complete frame.

Process: inspection. Memory: one piece of the frame and one of its template, taken when it is opened; and the pieces of
each template of the recipe, cut once. A piece that is as wide as the frame, and neither scaled nor filled up, is read
where it lies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.fit.geometry import Piece, Plan
from aoi_daemon.pictures.smooth import resize_smoothly

Image = NDArray[np.uint8]


class _Kept(NamedTuple):
    """A template, held so that no other array has its identity, and its pieces."""

    template: Image
    pieces: tuple[Image, ...]


class Cutting:
    """Cuts frames of one plan. All calls come from one thread."""

    def __init__(self, plan: Plan, templates: Iterable[Image] = (), *, has_template: bool = False) -> None:
        """Take all memory.

        Args:
            plan: how.
            templates: the recipe's, (H, W, C) uint8 of the frame's size, which nobody writes to; each is cut once.
            has_template: whether the model takes one.
        """
        self._plan = plan
        self._image = np.full(plan.model, plan.pad_value, np.uint8)
        self._template = np.full(plan.model if has_template else (0, 0, 0), plan.pad_value, np.uint8)
        self._kept: dict[int, _Kept] = {}
        for template in templates if has_template else ():
            pieces = tuple(
                self._cut(template, piece, np.full(plan.model, plan.pad_value, np.uint8)) for piece in plan.pieces
            )
            self._kept[id(template)] = _Kept(template, pieces)

    @property
    def memory(self) -> list[Image]:
        """What the model reads from, beside the frames; a GPU back end may page-lock it."""
        return [array for array in (self._image, self._template) if array.size] + [
            piece for kept in self._kept.values() for piece in kept.pieces if piece.base is None
        ]

    def image(self, frame: Image, number: int) -> Image:
        """The piece `number` of a frame, as the model takes it; valid until the next call."""
        return self._cut(frame, self._plan.pieces[number], self._image)

    def template(self, template: Image, number: int) -> Image:
        """The piece `number` of a template; valid until the next call."""
        kept = self._kept.get(id(template))
        if kept is not None and kept.template is template:
            return kept.pieces[number]
        return self._cut(template, self._plan.pieces[number], self._template)

    def _cut(self, frame: Image, piece: Piece, into: Image) -> Image:
        source = frame[piece.y : piece.y + piece.height, piece.x : piece.x + piece.width]
        if source.shape == into.shape and source.flags.c_contiguous:
            return source
        shown = into[piece.top : piece.top + piece.shown_height, piece.left : piece.left + piece.shown_width]
        if not piece.is_scaled:
            np.copyto(shown, source)
            return into
        # As the model was trained, whatever looks better: Ultralytics' detectors linear at any scale, others smoothed.
        if self._plan.is_smooth:
            resize_smoothly(source, shown)
            return into
        size = (piece.shown_width, piece.shown_height)
        if frame.shape[2] == 1:
            cv2.resize(source[..., 0], size, dst=shown[..., 0], interpolation=cv2.INTER_LINEAR)
        else:
            cv2.resize(source, size, dst=shown, interpolation=cv2.INTER_LINEAR)
        return into
