"""`aoi-daemon replay`: recorded pictures through the code that judged them, with today's recipe and bundle.

Process: offline, beside a running daemon or without one. Blocks: in the executor. The frame takes the line's
own way (`look`): optics, registration, model, judgement. Only its deadline is not the line's: there is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.load import Configuration
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.views import Viewed, views_of
from aoi_daemon.decide.judge import Verdict
from aoi_daemon.errors import PictureError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.inspection.auto.told import definite
from aoi_daemon.inspection.gauge import Gauge
from aoi_daemon.messages import Reason
from aoi_daemon.pictures import read_picture
from aoi_daemon.records.rows import Part
from aoi_daemon.records.times import iso

SEEN: Final = frozenset({"NONE", "DEFECT", "OPTICS", "REGISTRATION"})
"""Recorded reasons that say what was seen on the part. All others say what kept it from being looked at."""


@dataclass(frozen=True)
class Replayed:
    """One part then and now. `differs` None: it was not looked at then, so there is nothing to compare."""

    part: Part
    now: Verdict
    worst_class: str | None

    @property
    def differs(self) -> bool | None:
        """Whether the verdict, or the reason for it, is another."""
        if self.part.reason not in SEEN:
            return None
        return self.part.passed != self.now.passed or self.part.reason != Reason(self.now.reason).name

    def as_object(self) -> dict[str, Any]:
        """As plain values."""
        part, now = self.part, self.now
        return {
            "id": part.id,
            "uid": part.uid,
            "time": iso(part.at),
            "recipe": part.recipe,
            "differs": self.differs,
            "was": {
                "passed": part.passed, "reason": part.reason, "worst_class": part.worst_class,
                "defect_count": part.defect_count, "bundle": part.bundle,
            },
            "now": {
                "passed": now.passed, "reason": Reason(now.reason).name, "worst_class": self.worst_class,
                "defect_count": now.defect_count,
            },
            "review": part.review and part.review.verdict,
        }  # fmt: skip


@dataclass
class Result:
    """A complete replay. `skipped`: parts that could not be replayed, by why."""

    parts: list[Replayed] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def differences(self) -> list[Replayed]:
        """Those whose verdict differs."""
        return [part for part in self.parts if part.differs]


class Replay:
    """Judges parts again, each with the recipe of its number; `with` closes the engines.

    Args:
        records: the records folder.
        configuration: today's files.
        section: how models are run.
        recipe: judge all parts by the recipe of this name instead.
        say: hears which engine judges, where `section` leaves that open.
    """

    def __init__(
        self, records: Path, configuration: Configuration, section: InspectionSection, recipe: str | None = None,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:  # fmt: skip
        self._line = configuration.line
        self._say = say
        self._names = {each.id: name for name, each in configuration.recipes.items()}
        self._records = records
        self._section = section
        self._by_id = {each.id: each for each in configuration.recipes.values()}
        self._forced = None if recipe is None else configuration.recipes[recipe]
        self._gauges: dict[tuple[int, int, int], Gauge] = {}
        self._cameras = [camera.name for camera in configuration.line.cameras]
        self._owned = ExitStack()

    def run(self, parts: Iterable[Part], step: Callable[[], None] = lambda: None) -> Result:
        """Judge `parts`; `step` is called after each.

        Raises:
            ModelError: a recipe and its bundle do not fit, or the engine cannot be opened.
            InferenceError: the engine failed.
        """
        result = Result()
        for part in parts:
            try:
                result.parts.append(self._replay(part))
            except _SkippedError as skipped:
                result.skipped[str(skipped)] += 1
            step()
        return result

    def _replay(self, part: Part) -> Replayed:
        recipe = self._forced or self._by_id.get(part.recipe_id)
        if part.image is None:
            raise _SkippedError("without a picture")
        if recipe is None:
            raise _SkippedError(f"no recipe has the number {part.recipe_id} any more")
        view = self._view(part, recipe)
        image = self._read(part.image, view.recipe)
        template = None if part.template is None else self._read(part.template, view.recipe)
        return self._judge(part, image, template, self._gauge(view))

    def _view(self, part: Part, recipe: Recipe) -> Viewed:
        """The view that decided: as its picture says; of the recipe that it is judged by now."""
        views = views_of(recipe, self._line.cameras)
        if not recipe.views:
            return views[0]
        for view in views:
            if (self._cameras[view.camera], view.fov) == (part.camera, part.fov):
                return view
        raise _SkippedError(f"recipe {recipe.name} has no view of camera {part.camera}, fov {part.fov}")

    @staticmethod
    def _judge(part: Part, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, gauge: Gauge) -> Replayed:
        # The recipe's own template is today's; the recorded one stands in where parts bring theirs.
        own = None if part.fov in gauge.templates else template
        verdict = gauge.see(image, own, part.fov).verdict
        worst = verdict.worst_class
        return Replayed(part, verdict, gauge.criteria.classes[worst] if worst >= 0 else None)

    def _read(self, file: str, recipe: Recipe) -> NDArray[np.uint8]:
        try:
            return read_picture(self._records / file, recipe.channels)
        except PictureError:
            raise _SkippedError("its picture's file is gone or damaged") from None

    def _gauge(self, view: Viewed) -> Gauge:
        recipe = view.recipe
        key = (recipe.id, view.camera, view.fov)
        if key not in self._gauges:
            bundle = load_bundle(recipe.bundle)
            section, said = definite(self._line, self._section, bundle, recipe, self._names[recipe.id])
            if said:
                self._say(said)
            gauge = self._gauges[key] = Gauge(recipe, section, bundle)
            self._owned.enter_context(gauge)
        return self._gauges[key]

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        self._owned.close()


class _SkippedError(Exception):
    """A part cannot be replayed; the text says why."""
