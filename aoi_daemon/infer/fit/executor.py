"""An executor for frames that the model does not take as they are: fitted, run piece by piece, told in px of the frame.

Process: inspection. Blocks: in the executor that it wraps. Memory: a piece, and the map of a frame where the task has
maps; taken before READY (the map with the first run of the warm-up).

The pieces run one after the other, and each has what is left of the part's time. All of them run, or the part has no
verdict: there is no PASS by some of the tiles.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceTimeoutError
from aoi_daemon.infer.executor import Decoder, Detections, Executor, outputs_of
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.geometry import Plan
from aoi_daemon.infer.fit.maps import Stitching
from aoi_daemon.infer.fit.placed import Placing, worst
from aoi_daemon.infer.fit.seams import Seams

_LEAST_RUNS: Final = 3

_Image = NDArray[np.uint8]


def runs_of(executor: Executor, runs: int) -> int:
    """So many frames warm `executor` up as `runs` pictures of the model do: one in tiles is many of them."""
    if not isinstance(executor, FittedExecutor):
        return runs
    return min(runs, max(_LEAST_RUNS, -(-runs // executor.pieces)))


class FittedExecutor:
    """Any executor, for frames of another size; see `Executor`.

    Frames of the plan's size are fitted. Any other goes to the model as it is: so the bundle's golden parts, which
    are of the model's size, prove the engine.
    """

    def __init__(
        self, inner: Executor, plan: Plan, manifest: Manifest, cutting: Cutting, *, least_score: float
    ) -> None:  # fmt: skip
        """Wrap `inner`, which is closed with this.

        Args:
            inner: opened for frames of `plan.model`.
            plan: how frames are fitted.
            manifest: the bundle's.
            cutting: by the same plan.
            least_score: what scores less counts for no class of the recipe.
        """
        self._inner = inner
        self._plan = plan
        self._cutting = cutting
        self._least_score = least_score
        self._task = manifest.task
        self.name = f"{inner.name}, {plan.text}"
        self.notes = inner.notes
        self.has_template = inner.has_template
        self.decoder: Decoder = inner.decoder
        self._placings = [Placing(plan, piece) for piece in plan.pieces]
        self._seams = Seams(plan) if len(plan.pieces) > 1 else None
        is_fitted = len(plan.pieces) > 1 or plan.pieces[0].is_scaled or not plan.is_filled
        has_maps = manifest.task in ("segment", "anomaly")
        self._stitching = (
            Stitching(plan, outputs_of(manifest), best_only=manifest.best_only) if has_maps and is_fitted else None
        )

    @property
    def pieces(self) -> int:
        """How many times the model runs for one frame."""
        return len(self._placings)

    @property
    def decoded(self) -> int:
        """How many times the decoder is asked for one frame."""
        return 1 if self._stitching is not None else len(self._placings)

    def infer(self, image: _Image, template: _Image | None, deadline_ns: int) -> Detections:
        """Run the model on one frame; see `Executor.infer`."""
        inner = self._inner
        inner.decoder = self.decoder
        if not (self._is_frame(image) and (template is None or self._is_frame(template))):
            return inner.infer(image, template, deadline_ns)  # which says what is wrong, if anything is
        if self._stitching is not None:
            inner.decoder = self._stitching
            self._stitching.begin()
        seen = []
        for number in range(len(self._placings)):
            if number and deadline_ns <= time.monotonic_ns():
                raise InferenceTimeoutError(f"the part's time ran out after {number} of {len(self._placings)} pieces")
            found = inner.infer(
                self._cutting.image(image, number),
                None if template is None else self._cutting.template(template, number),
                deadline_ns,
            )
            if self._stitching is None:
                seen.append(self._placings[number].place(found, self._least_score))
        if self._stitching is not None:
            return self._stitching.read(self.decoder)
        return self._merged(seen, self._least_score)

    def joined(self, pieces: Sequence[Detections], least_score: float) -> Detections:
        """What is found on a frame, by what a decoder has found on each piece that this executor gave it.

        For whoever reads the same outputs a second time.

        Args:
            pieces: in the order in which they were given; where that was one map of the frame, what was found in it.
            least_score: rows below are not joined.

        Raises:
            InferenceError: as `infer`.
        """
        if self._stitching is not None:
            return self._stitching.placed(pieces[0])
        placed = [placing.place(found, least_score) for placing, found in zip(self._placings, pieces, strict=True)]
        return self._merged(placed, least_score)

    def close(self) -> None:
        """Close the executor that this wraps; may be called twice."""
        self._inner.close()

    def __enter__(self) -> FittedExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_frame(self, image: _Image) -> bool:
        return image.shape == self._plan.frame and image.dtype == np.uint8

    def _merged(self, pieces: Sequence[Detections], least_score: float) -> Detections:
        if self._seams is None:
            return pieces[0]
        if self._task == "classify":
            return worst(pieces)
        return self._seams.join(pieces, least_score)
