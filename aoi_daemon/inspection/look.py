"""Look at one view: is the picture good, where does the board lie, what does the model find, what is the verdict.

The one way by which a frame becomes a verdict: inspection takes it for every part, a replay for recorded ones.
Process: inspection, and the offline command `replay`. Blocks: in the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria, Verdict, judge
from aoi_daemon.decide.optics import optics_fault
from aoi_daemon.errors import ModelError, PictureError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import Executor
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.messages import MAX_DEFECTS, Reason
from aoi_daemon.pictures import read_picture

Image = NDArray[np.uint8]


class Seen(NamedTuple):
    """What was found on one view. `inferred_ns` 0: no model has run; offsets as `Judgement` has them."""

    verdict: Verdict
    inferred_ns: int = 0
    offset_x: int = 0
    offset_y: int = 0


class Looker(Protocol):
    """What one product is looked at with; all of it belongs together."""

    @property
    def recipe(self) -> Recipe:
        """How the product is judged."""

    @property
    def bundle(self) -> Bundle:
        """What it is judged with."""

    @property
    def criteria(self) -> Criteria:
        """The recipe, made ready for the bundle."""

    @property
    def templates(self) -> Mapping[int, Image]:
        """The recipe's, by field of view; see `read_templates`."""

    @property
    def registrar(self) -> Registrar | None:
        """Where the recipe aligns frames."""

    @property
    def executor(self) -> Executor:
        """The model, with the recipe's decoder."""


def look(
    by: Looker, image: Image, own_template: Image | None, *, fov: int, deadline_ns: int, picked_ns: int,
    clock: Callable[[], int], at_most: int | None = MAX_DEFECTS,
) -> Seen:  # fmt: skip
    """Judge one view's image, by its own template where one came with it.

    Args:
        by: what the product is looked at with.
        image: (H, W, C) uint8, read in place.
        own_template: as `image`; None: the recipe's of `fov`.
        fov: the field of view.
        deadline_ns: CLOCK_MONOTONIC; NO_DEADLINE for none.
        picked_ns: when the part was taken up.
        clock: as `stage.now_ns`.
        at_most: so many defects are listed; None: all.

    Raises:
        InferenceTimeoutError: the part's time ran out; it is LATE.
        InferenceError: the engine failed.
    """
    recipe = by.recipe
    if image.shape != recipe.shape:
        return Seen(Verdict.reject(Reason.NO_RECIPE))
    if not by.criteria.knows(fov):
        return Seen(Verdict.reject(Reason.NO_RECIPE))
    template = own_template if own_template is not None else by.templates.get(fov)
    if template is None and (by.bundle.manifest.has_template or by.registrar is not None):
        return Seen(Verdict.reject(Reason.NO_RECIPE))
    if deadline_ns <= picked_ns:
        return Seen(Verdict.reject(Reason.LATE))
    if recipe.optics is not None and optics_fault(image, recipe.optics):
        return Seen(Verdict.reject(Reason.OPTICS))
    offset_x = offset_y = 0
    if by.registrar is not None:
        alignment = by.registrar.align(image, own_template, fov)
        offset_x, offset_y = alignment.offset_x, alignment.offset_y
        if alignment.image is None:
            reason = Reason.REGISTRATION if clock() < deadline_ns else Reason.LATE
            return Seen(Verdict.reject(reason), 0, offset_x, offset_y)
        image = alignment.image
    found = by.executor.infer(image, template, deadline_ns)
    inferred_ns = clock()
    verdict = judge(found, by.criteria, fov, slack_ns=deadline_ns - inferred_ns, at_most=at_most)
    return Seen(verdict, inferred_ns, offset_x, offset_y)


def read_templates(recipe: Recipe) -> dict[int, Image]:
    """The recipe's golden templates by fov, (H, W, channels) uint8. Raises ModelError on a wrong size or file."""
    found: dict[int, Image] = {}
    for template in recipe.templates:
        try:
            image = read_picture(template.image, recipe.channels, bits=template.bits)
        except PictureError as error:
            raise ModelError(f"template of fov {template.fov}: {error}") from error
        if image.shape[:2] != (recipe.height_px, recipe.width_px):
            raise ModelError(
                f"template {template.image} of fov {template.fov} is {image.shape[1]} x {image.shape[0]} px, "
                f"the recipe is {recipe.width_px} x {recipe.height_px}"
            )
        found[template.fov] = image
    return found
