"""An inspection with a model that is a stand-in, and the products of the golden parts' tests."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.views import ANY_FOV, Viewed
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.errors import InferenceTimeoutError
from aoi_daemon.golden.manifest import Golden
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection import main as inspection
from aoi_daemon.inspection.lanes import Lanes
from aoi_daemon.inspection.main import Inspection
from aoi_daemon.inspection.prove import Product
from aoi_daemon.inspection.views import OneEngine, ViewLooker
from aoi_daemon.messages import Announcement
from tests.unit.golden.conftest import looker

MS = 1_000_000

__all__ = ["looker"]


NONE = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


class Model:
    """Finds nothing, and remembers what it was shown."""

    def __init__(self, clock):
        self.clock = clock
        self.shown = []

    def infer(self, image, template, deadline_ns):
        if deadline_ns <= self.clock.now_ns:
            raise InferenceTimeoutError("no time was left to begin with")
        self.shown.append((image, template))
        return NONE


@pytest.fixture
def clock(monkeypatch):
    """The stage's clock, at a standstill."""
    clock = SimpleNamespace(now_ns=1000 * MS)
    monkeypatch.setattr(inspection, "now_ns", lambda: clock.now_ns)
    return clock


def looker_of(recipe, clock, *, has_template=False):
    """What a view of `recipe` is looked at with, with a model that finds nothing; classes: one."""
    one = ViewLooker.__new__(ViewLooker)
    one.view, one.named, one.recipe, one.bundle_id = Viewed("camera-1", 0, ANY_FOV, recipe), "", recipe, 0
    one.bundle = SimpleNamespace(manifest=SimpleNamespace(has_template=has_template))
    one.criteria, one.templates, one.registrar = Criteria.compile(recipe, ("defect",)), {}, None
    one.executor = Model(clock)
    return one


@pytest.fixture
def look(clock):
    """Judge one view as `Inspection` does; `template` is the recipe's of field 0."""

    def judge_view(image, *, template=None, brought=None, has_template=True, slack_ms=50, fov=0, **keys):
        recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=640, height_px=640, **keys)
        one = looker_of(recipe, clock, has_template=has_template)
        one.templates = {} if template is None else {0: template}
        one.registrar = None if recipe.registration is None else Registrar(recipe, one.templates)
        part = Announcement(0, 0, fov, 1, 1, clock.now_ns, clock.now_ns, clock.now_ns + slack_ms * MS)
        return inspection._look(one, part, image, brought, clock.now_ns), one.executor.shown

    return judge_view


class MapModel:
    """Gives one area of 0.4 on each frame, read as `decoder` says."""

    has_template = False

    def __init__(self, manifest):
        self.decoder = decoder_for(manifest)

    def infer(self, image, template, deadline_ns):
        values = np.zeros((1, 1, 64, 64), np.float32)
        values[0, 0, 8:16, 8:16] = 0.4
        return self.decoder.decode([values], image.shape)


def reading(manifest, recipe, *, standby=False):
    """An inspection of maps, up to its qualification (`qualify`), with one bad golden part."""
    one = Inspection.__new__(Inspection)
    image = np.zeros((64, 64, 1), np.uint8)
    one.recipe, one.board = recipe, {}
    one.said = []
    log = SimpleNamespace(error=lambda *_, **__: None, info=lambda *_, **__: None)
    one.stage = SimpleNamespace(
        config=SimpleNamespace(inspection=SimpleNamespace(warm_up_runs=1, lanes=1)), setup=SimpleNamespace(standby=standby, config_file=Path("/nowhere/line.toml"), product="p", upgraded=False),
        tell=lambda **message: one.said.append(message), log=log,
    )  # fmt: skip
    one.product, one.lanes = Product(), Lanes(SimpleNamespace(config=one.stage.config, setup=SimpleNamespace(index=0), board={}))
    one._upgraded = False
    one.log = log
    looker = ViewLooker.__new__(ViewLooker)
    looker.view, looker.named, looker.recipe, looker.registrar = Viewed("camera-1", 0, ANY_FOV, recipe), "", recipe, None
    looker.bundle = one.bundle = SimpleNamespace(
        manifest=manifest, golden=lambda: [SimpleNamespace(name="g", image=image, template=None, passed=False, boxes=())]
    )
    looker.criteria, looker.templates = Criteria.compile(recipe, manifest.classes), {}
    looker.decoder = decoder_for(manifest, recipe)
    engine = OneEngine([looker])
    engine.executor = one.executor = MapModel(manifest)

    def qualify():
        progress = inspection._no_progress if standby else one._progress
        engine.qualify(one.stage, Golden(Path("/nowhere")), progress)
        return engine.wrong

    one.qualify = qualify
    return one, image


def map_recipe(**keys):
    limits = ({"name": "*", "score": 0.1},)
    return Recipe.model_validate(
        {"id": 1, "name": "r", "bundle": "b", "width_px": 64, "height_px": 64, "limits": limits, **keys}
    )
