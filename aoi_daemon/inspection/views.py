"""What the views of a product are judged with: an engine for each model and frame size, and what each view looks by.

Process: inspection. Blocks: in the executors, one after the other. Memory: reads the frame rings in place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.config.views import EngineKey, Expected, Viewed, engine_key, expected_of, views_of
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.golden.manifest import Golden
from aoi_daemon.infer.bundle import Bundle, load_bundle
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import Executor, FrameShape, warm_up
from aoi_daemon.infer.fit.executor import runs_of
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection.auto.lane_choice import divided
from aoi_daemon.inspection.auto.subject import subject_of
from aoi_daemon.inspection.backend import check_golden, make_executor
from aoi_daemon.inspection.lanes import lanes_of
from aoi_daemon.inspection.look import read_templates
from aoi_daemon.inspection.opening import Engine, open_engine
from aoi_daemon.inspection.prove import Product, golden_of, product_of, prove, together
from aoi_daemon.ring.frames import FrameRing
from aoi_daemon.stage.stage import Stage

Image = NDArray[np.uint8]
_ROWS: Final = 32


class ViewLooker:
    """What one view is looked at with; see `look.Looker`. Where a recipe names no views, one is for all pictures."""

    executor: Executor

    def __init__(self, view: Viewed, bundle: Bundle, *, named: bool, alone: bool) -> None:
        """Read what it needs but the engine.

        Args:
            view: made ready.
            bundle: the view's.
            named: by the recipe, which has views.
            alone: it is the only one.

        Raises:
            ModelError, ValueError: recipe and bundle do not fit.
        """
        self.view = view
        self.named = view.name if named else ""
        self._alone = alone
        self.recipe = view.recipe
        self.bundle = bundle
        self.bundle_id = int(bundle.hash[:16], 16)
        self.criteria = Criteria.compile(self.recipe, bundle.manifest.classes)
        self.templates = read_templates(self.recipe)
        self.registrar = None if self.recipe.registration is None else Registrar(self.recipe, self.templates)
        self.decoder = decoder_for(bundle.manifest, self.recipe)

    def golden(self, parts: Golden) -> Golden:
        """The golden parts that show this view."""
        if not self.named:
            return parts
        return parts.of_view(self.named, max(self.view.fov, 0), alone=self._alone)

    @property
    def read_from(self) -> list[Image]:
        """Memory of its own that the engine reads."""
        return [*self.templates.values(), *([] if self.registrar is None else [self.registrar.aligned])]


class OneEngine:
    """The views that one engine judges, and the engine: those of one bundle, frame size and fit share it."""

    def __init__(self, lookers: list[ViewLooker]) -> None:
        self.lookers = lookers
        self.bundle = lookers[0].bundle
        self.shape: FrameShape = lookers[0].recipe.shape
        self.executor: Executor
        self.section: InspectionSection
        """By whose names it was opened last."""
        self.engine = Engine("", "")
        self.wrong: list[str] = []
        """Golden parts of the bundle whose verdict does not hold."""
        self.products: list[Product] = []
        self._opened = ExitStack()

    def open(
        self, stage: Stage, section: InspectionSection, read_from: Sequence[Image], golden: Golden,
        progress: Callable[[], None],
    ) -> str:  # fmt: skip
        """Open what `section` names and run the golden parts; why they do not hold, "" where they do."""
        self._opened.close()  # one that did not hold
        memory = [*read_from, *(image for looker in self.lookers for image in looker.read_from)]
        recipes = [looker.recipe for looker in self.lookers]
        templates = [image for looker in self.lookers for image in looker.templates.values()]
        self.section = section
        if stage.config.inspection.lanes == "auto":
            section = divided(section, lanes_of(stage))
        executor = make_executor(stage, self.bundle, section, recipes, memory, templates=templates)
        self.executor = self._opened.enter_context(executor)
        self.qualify(stage, golden, progress)
        if self.wrong:
            return f"golden parts do not hold: {', '.join(self.wrong)}"
        wrong = together(self.products).wrong
        return f"the product's golden parts do not hold: {'; '.join(wrong)}" if wrong else ""

    def qualify(self, stage: Stage, golden: Golden, progress: Callable[[], None]) -> None:
        """Warm the executor up and run the golden parts, the bundle's and the views'."""
        runs = stage.config.inspection.warm_up_runs
        warm_up(self.executor, self.shape, runs=runs_of(self.executor, runs))
        for looker in self.lookers:
            looker.executor = self.executor
            if looker.registrar is not None:
                looker.registrar.warm_up(runs)
        progress()
        self.wrong = check_golden(self.executor, self.bundle, self.lookers[0].recipe, progress)
        if self.wrong:
            stage.log.error("golden_failed", parts=self.wrong, remedy="another bundle, or the engine built anew")
        self.products = []
        for looker in self.lookers:
            # Not before: golden parts are read as the bundle says, not as the product does.
            self.executor.decoder = looker.decoder
            found = [] if self.wrong else prove(looker, looker.golden(golden), progress)
            self.products.append(product_of(found, looker.named))

    def close(self) -> None:
        """Close the engine."""
        self._opened.close()


class Views:
    """The views of a product by their pictures. `with` closes the engines.

    Args:
        stage: of inspection.
        recipe: the product's.
        rings: of the cameras.
        cameras: the numbers of those whose pictures are judged here; the others are another lane's.
    """

    def __init__(self, stage: Stage, recipe: Recipe, rings: Sequence[FrameRing], cameras: Collection[int]) -> None:
        self._stage = stage
        self._rings = rings
        self._recipe = recipe
        views = views_of(recipe, stage.config.cameras)
        self._names = [view.name for view in recipe.views]
        self._strays: list[str] = []
        self.expected: Expected = expected_of(views)
        bundles: dict[Path, Bundle] = {}
        # Without views of its own the recipe is one object for all pictures: so is what they are looked at with.
        made: dict[int, ViewLooker] = {}
        self._of: dict[tuple[int, int], ViewLooker] = {}
        for view in (view for view in views if view.camera in cameras):
            of, folder = id(view.recipe), view.recipe.bundle
            if of not in made:
                if folder not in bundles:
                    bundles[folder] = load_bundle(folder)
                made[of] = ViewLooker(view, bundles[folder], named=bool(recipe.views), alone=len(views) == 1)
            self._of[view.key] = made[of]
        self.lookers = list(made.values())
        self.engines = [OneEngine(lookers) for lookers in _by_engine(self.lookers)]
        self._share = any(len(engine.lookers) > 1 for engine in self.engines)

    def open(self, folder: Path, progress: Callable[[], None]) -> Engine:
        """Open an engine for each model and frame size, one after the other, and prove it; what they are.

        Args:
            folder: of the product's golden parts; damaged ones prove nothing.
            progress: called after each part.
        """
        read = golden_of(folder)
        golden = Golden(folder) if isinstance(read, str) else read
        self._strays = [read] if isinstance(read, str) else golden.strays(self._names)
        with ExitStack() as owned:
            owned.callback(self.close)
            for one in self.engines:
                read_from = self._frames(one)
                one.engine = open_engine(
                    self._stage, one.bundle, subject_of(one.lookers[0].view, self._recipe, len(self.engines)),
                    lambda section, one=one, read_from=read_from: one.open(  # type: ignore[misc]
                        self._stage, section, read_from, golden, progress
                    ),
                )  # fmt: skip
            owned.pop_all()
        return _told(self.engines)

    def of(self, camera: int, fov: int) -> ViewLooker | None:
        """What a picture is looked at with, its engine set to read for it; None: no view names it."""
        looker = self._of.get(self.expected.key(camera, fov))
        if self._share and looker is not None:
            looker.executor.decoder = looker.decoder
        return looker

    @property
    def pictures(self) -> list[tuple[int, ViewLooker]]:
        """The camera of each picture that is judged here, and what it is looked at with."""
        return [(camera, looker) for (camera, _), looker in self._of.items()]

    @property
    def wrong(self) -> list[str]:
        """Golden parts of the bundles whose verdict does not hold."""
        return [name for one in self.engines for name in one.wrong]

    @property
    def products(self) -> list[Product]:
        """What the golden parts say of each view."""
        return [product for one in self.engines for product in one.products]

    @property
    def strays(self) -> list[str]:
        """A line for each golden part that shows no view, or for their manifest where that is damaged."""
        return self._strays

    @property
    def bundle_id(self) -> int:
        """Of the first view's bundle; 0: none is judged here."""
        return self.lookers[0].bundle_id if self.lookers else 0

    def close(self) -> None:
        """Close the engines."""
        for one in self.engines:
            one.close()

    def _frames(self, one: OneEngine) -> list[Image]:
        """The planes of the cameras whose pictures `one` judges."""
        cameras = sorted({camera for (camera, _), looker in self._of.items() if looker in one.lookers})
        slots = [(self._rings[camera], slot) for camera in cameras for slot in range(self._rings[camera].layout.slots)]
        return [plane for ring, slot in slots for plane in ring.planes(slot) if plane.size]


def _by_engine(lookers: Sequence[ViewLooker]) -> list[list[ViewLooker]]:
    found: dict[EngineKey, list[ViewLooker]] = {}
    for looker in lookers:
        found.setdefault(engine_key(looker.recipe), []).append(looker)
    return list(found.values())


def _told(engines: Sequence[OneEngine]) -> Engine:
    """What judges, for logs, `status`, page and records: each by its views where they differ."""
    if not engines:
        return Engine("none", "no view is of this lane's cameras")
    if len({(one.engine.name, one.engine.why) for one in engines}) == 1:
        first = engines[0].engine
        return first if len(engines) == 1 else first._replace(others=_others(engines))
    named = [(", ".join(looker.view.name for looker in one.lookers), one.engine) for one in engines]
    return Engine(
        "; ".join(f"{views}: {engine.name}" for views, engine in named),
        "; ".join(f"{views}: {engine.why}" for views, engine in named),
        _others(engines), auto=any(engine.auto for _, engine in named),
    )  # fmt: skip


def _others(engines: Sequence[OneEngine]) -> tuple[str, ...]:
    rows = [f"{one.bundle.manifest.name}: {row}" for one in engines for row in one.engine.others]
    return tuple(dict.fromkeys(rows))[:_ROWS]
