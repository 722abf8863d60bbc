"""One product as the line judges it, for a command: recipe, bundle, templates, registration, model.

Process: offline (`replay`, `qualify`, `golden`). Blocks: in the executor. What it is given takes the line's own
way (`look`); only its deadline is not the line's: there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.decode.decode import decode, decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Decoder, Detections, Executor, FrameShape
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.open import open_fitted
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection.look import Seen, look, read_templates
from aoi_daemon.stage.stage import now_ns

LEAST_SCORE: Final = 0.001
"""What scores less is not looked at: 0 gave the same mAP wherever it was tried, 0.01 no longer."""
_NOTHING: Final = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


class Gauge:
    """What one product is looked at with; see `look.Looker`. `with` closes the engine that it has opened."""

    def __init__(self, recipe: Recipe, engine: InspectionSection | Executor, bundle: Bundle | None = None) -> None:
        """Open everything.

        Args:
            recipe: the product's.
            engine: how the engine is opened; or one that is open, and stays the caller's.
            bundle: the recipe's, where it is loaded already.

        Raises:
            ModelError, ValueError: recipe and bundle do not fit.
        """
        self.recipe = recipe
        self.bundle = bundle or load_bundle(recipe.bundle)
        manifest = self.bundle.manifest
        self.criteria = Criteria.compile(recipe, manifest.classes)
        self.templates = read_templates(recipe)
        self.registrar = None if recipe.registration is None else Registrar(recipe, self.templates)
        everything = {"limits": (ClassLimit(name="*", score=LEAST_SCORE),), "regions": ()}
        self._all = decoder_for(manifest, recipe.model_copy(update=everything))
        self._closes = isinstance(engine, InspectionSection)
        if isinstance(engine, InspectionSection):
            engine = open_fitted(
                self.bundle, engine, recipe.shape, recipe.fit, least_score=recipe.least_score,
                templates=list(self.templates.values()),
            )  # fmt: skip
        self.executor = engine
        self._fitted = engine if isinstance(engine, FittedExecutor) else None
        self._heard = _Heard(decoder_for(manifest, recipe), 1 if self._fitted is None else self._fitted.decoded)
        self.executor.decoder = self._heard

    def see(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, fov: int) -> Seen:
        """Judge one view.

        Args:
            image: (H, W, channels) uint8.
            template: its own, as `image`; None: the recipe's of `fov`.
            fov: the field of view.

        Raises:
            InferenceError: the engine failed.
        """
        # Again: several gauges may share one engine.
        self.executor.decoder = self._heard
        self._heard.begin()
        return look(self, image, template, fov=fov, deadline_ns=NO_DEADLINE, picked_ns=now_ns(), clock=now_ns)

    def found(self, seen: Seen) -> Detections:
        """All that the model found on the view seen last, of at least LEAST_SCORE, whatever the recipe allows.

        Read from the same inference as the verdict; nothing where no model has run. Boxes are in pixels of the
        view as it came: how far registration has moved it is taken back (a turn is not, and offsets are in 0.01 mm).

        Raises:
            InferenceError: some row is not what a model may say.
        """
        if not seen.inferred_ns:
            return _NOTHING
        pieces = [self._all.decode(*heard) for heard in self._heard.pieces]
        raw = pieces[0] if self._fitted is None else self._fitted.joined(pieces, LEAST_SCORE)
        boxes, scores, classes = decode(raw, floor=LEAST_SCORE, class_count=len(self.criteria.classes))
        offset_px = np.array((seen.offset_x, seen.offset_y) * 2, np.float32) * (self.recipe.px_per_mm / 100)
        return Detections(boxes + offset_px, scores, classes)

    def __enter__(self) -> Gauge:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._closes:
            self.executor.close()


class _Heard:
    """The line's decoder, which keeps what the model put out of one frame, so that it can be read a second time."""

    def __init__(self, line: Decoder, pieces: int) -> None:
        """Keep the outputs of so many pieces, which are those of a frame."""
        self._line = line
        self._pieces = pieces
        self.pieces: list[tuple[Sequence[NDArray[Any]], FrameShape]] = []

    def begin(self) -> None:
        """Another frame comes."""
        self.pieces.clear()

    def decode(self, outputs: Sequence[NDArray[Any]], shape: FrameShape) -> Detections:
        """See `Decoder`."""
        if len(self.pieces) >= self._pieces:
            self.pieces.clear()
        # A model writes the outputs of the next piece over those of the one before.
        kept = outputs if self._pieces == 1 else [output.copy() for output in outputs]
        self.pieces.append((kept, shape))
        return self._line.decode(outputs, shape)
