"""What the hot loop makes of one view, with a model that is a stand-in."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.boxes import Box
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.judge import Criteria
from aoi_daemon.decide.priority import PriorityTrial
from aoi_daemon.errors import InferenceTimeoutError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import Detections
from aoi_daemon.infer.registration.registrar import Registrar
from aoi_daemon.inspection import main as inspection
from aoi_daemon.inspection.main import Inspection
from aoi_daemon.inspection.prove import Product
from aoi_daemon.messages import Announcement, Proof, Reason
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, camera_cell, unpack_size
from tests.unit.infer.boards_at import board_at
from tests.unit.infer.manifests import manifest_of

MS = 1_000_000
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


@pytest.fixture
def look(clock):
    """Judge one view as `Inspection` does; `template` is the recipe's of field 0."""

    def judge_view(image, *, template=None, brought=None, has_template=True, slack_ms=50, fov=0, **keys):
        recipe = Recipe(id=1, name="r", bundle=Path("b"), width_px=640, height_px=640, **keys)
        one = Inspection.__new__(Inspection)
        one.recipe = recipe
        one.bundle = SimpleNamespace(manifest=SimpleNamespace(has_template=has_template))
        one.criteria = Criteria.compile(recipe, ("defect",))
        one.templates = {} if template is None else {0: template}
        one.registrar = None if recipe.registration is None else Registrar(recipe, one.templates)
        one.executor = Model(clock)
        part = Announcement(0, 0, fov, 1, 1, clock.now_ns, clock.now_ns, clock.now_ns + slack_ms * MS)
        return one._look(part, image, brought, clock.now_ns), one.executor.shown

    return judge_view


def test_without_registration_the_model_is_shown_the_frame_itself(look):
    """Nothing is done that was not asked for, however the board lies."""
    test, template = board_at(1, 5, 5)
    seen, shown = look(test, template=template)
    assert seen.verdict.passed
    assert (seen.offset_x, seen.offset_y) == (0, 0)
    assert shown[0][0] is test


@pytest.mark.parametrize("has_template", [True, False])
def test_with_registration_the_model_is_shown_the_aligned_frame(look, has_template):
    """Whether it looks at the template too or not; the offset is told with the verdict."""
    test, template = board_at(1, 4.8, -4.8)
    seen, shown = look(test, template=template, registration={"max_offset": 8.0}, has_template=has_template)
    assert seen.verdict.passed
    assert abs(seen.offset_x - 10) <= 1
    assert abs(seen.offset_y + 10) <= 1
    image, given = shown[0]
    inner = (slice(16, -16), slice(16, -16))
    assert (
        np.abs(image[inner].astype(int) - template[inner]).mean()
        < np.abs(test[inner].astype(int) - template[inner]).mean() / 2
    )
    assert given is template


def test_the_template_that_came_with_the_frame_is_the_one_to_align_to(look):
    """Replayed pairs bring their own."""
    test, template = board_at(1, 3, 3)
    _, other = board_at(2, 0, 0)
    seen, shown = look(test, template=other, brought=template, registration={"max_offset": 8.0})
    assert seen.verdict.passed
    assert shown[0][1] is template


def test_a_board_that_cannot_be_aligned_is_rejected_and_no_model_asked(look):
    """A model that finds nothing would pass it."""
    test, template = board_at(1, 10.5, 0)
    for image in (test, np.zeros_like(test), board_at(2, 0, 0)[0]):
        seen, shown = look(image, template=template, registration={"max_offset": 8.0})
        assert (seen.verdict.passed, seen.verdict.reason) == (False, Reason.REGISTRATION)
        assert shown == []


@pytest.mark.parametrize("dx_px", [3.0, 12.0])
def test_a_part_whose_time_ran_out_while_it_was_aligned_is_late(look, clock, monkeypatch, dx_px):
    """Whether it could be aligned or not."""
    test, template = board_at(1, dx_px, 0)
    align = Registrar.align

    def slow(*arguments):
        clock.now_ns += 60 * MS
        return align(*arguments)

    monkeypatch.setattr(Registrar, "align", slow)
    try:
        seen, shown = look(test, template=template, registration={"max_offset": 8.0})
        assert (seen.verdict.passed, seen.verdict.reason, shown) == (False, Reason.LATE, [])
    except InferenceTimeoutError:
        pass  # which `inspect` answers with LATE


def test_registration_without_a_template_rejects_for_want_of_a_recipe(look):
    """There is nothing to align to; another model needs none, and that does not matter."""
    test, template = board_at(1, 0, 0)
    seen, _ = look(test, template=template, fov=1, registration={"max_offset": 8.0}, has_template=False)
    assert seen.verdict.reason is Reason.NO_RECIPE
    seen, _ = look(test, fov=1, has_template=False)
    assert seen.verdict.passed


# -- how outputs are read ---------------------------------------------------------------------------


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
    """An inspection of maps, up to its qualification, with one bad golden part."""
    one = Inspection.__new__(Inspection)
    image = np.zeros((64, 64, 1), np.uint8)
    one.recipe, one.registrar, one.board = recipe, None, {}
    one.said = []
    one.stage = SimpleNamespace(
        config=SimpleNamespace(inspection=SimpleNamespace(warm_up_runs=1)), setup=SimpleNamespace(standby=standby, config_file=Path("/nowhere/line.toml"), product="p", upgraded=False),
        tell=lambda **message: one.said.append(message),
    )  # fmt: skip
    one.product = Product()
    one._upgraded = False
    one.log = SimpleNamespace(error=lambda *_, **__: None, info=lambda *_, **__: None)
    one.bundle = SimpleNamespace(
        manifest=manifest, golden=lambda: [SimpleNamespace(name="g", image=image, template=None, passed=False, boxes=())]
    )
    one.criteria = Criteria.compile(recipe, manifest.classes)
    one.executor = MapModel(manifest)
    return one, image


def map_recipe(**keys):
    limits = ({"name": "*", "score": 0.1},)
    return Recipe.model_validate(
        {"id": 1, "name": "r", "bundle": "b", "width_px": 64, "height_px": 64, "limits": limits, **keys}
    )


def test_golden_parts_are_read_as_the_bundle_says_and_parts_as_the_product_does():
    """A product that asks for more than the bundle would let the bad golden part pass."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe(maps={"threshold": 0.6}))
    assert one.qualify() == []
    assert len(one.executor.infer(image, None, 0).scores) == 0


@pytest.mark.parametrize(("box", "wrong"), [((8.0, 8.0, 16.0, 16.0), []), ((40.0, 40.0, 60.0, 60.0), ["g"])])
def test_a_bad_golden_part_must_be_found_where_it_is_bad(box, wrong):
    """An engine that rejects it for something else computes something else."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe())
    part = SimpleNamespace(name="g", image=image, template=None, passed=False, boxes=(Box(*box),))
    one.bundle.golden = lambda: [part]
    assert one.qualify() == wrong


def test_a_swapped_recipe_brings_what_changes_no_verdict():
    """Between two parts: its number and who answers for it; what judges is as it was."""
    one, _ = reading(manifest_of("anomaly"), map_recipe())
    one.obey({"do": "recipe", "recipe": map_recipe(id=7).model_dump_json(), "upgraded": False})
    assert one.board == {Cell.RECIPE: 7, Cell.PROVEN: Proof.NOT_PROVEN}
    one.obey({"do": "recipe", "recipe": map_recipe(id=7, accept_unproven="anna, first day").model_dump_json(), "upgraded": False})
    assert one.board[Cell.PROVEN] == Proof.ACCEPTED
    assert [(said["tell"], said["proof"]) for said in one.said] == [("swapped", 0), ("swapped", 2)]


def test_a_recipe_that_is_swapped_after_the_time_of_an_upgrade_brings_no_ready_back():
    """The process was started while it ran; the supervisor would take it back a tick later."""
    one, _ = reading(manifest_of("anomaly"), map_recipe())
    one._upgraded = True
    assert one.proof is Proof.UPGRADED
    one.obey({"do": "recipe", "recipe": map_recipe(id=7).model_dump_json(), "upgraded": False})
    assert one.board[Cell.PROVEN] == Proof.NOT_PROVEN


def test_a_standby_that_is_not_proven_says_what_is_missing():
    one, _ = reading(manifest_of("anomaly"), map_recipe())
    assert one.refusal(["g"]) == "golden parts got the wrong verdict: g"
    assert one.refusal([]).startswith("NOT PROVEN: recipe p: 0 good and 0 bad golden parts")
    one.recipe = map_recipe(accept_unproven="anna, first day")
    assert one.refusal([]) == ""
    one.product = Product(1, 1, ("g is bad and passed",))
    assert "g is bad and passed" in one.refusal([])


@pytest.mark.parametrize("standby", [False, True])
def test_a_standby_writes_nothing_on_the_board(standby):
    """It is another's; the one on the line says that it moves."""
    one, _ = reading(manifest_of("anomaly", maps={"threshold": 0.3}), map_recipe(), standby=standby)
    one.qualify()
    assert set(one.board) == (set() if standby else {Cell.INSPECTION_NS})


# -- frames that do not fit -------------------------------------------------------------------------


@pytest.fixture
def line(clock, monkeypatch):
    """An inspection of two cameras whose frames are what `show` is given, and its board."""
    with SharedMemory.create("board", SIZE_BYTES) as memory:
        board = Board(memory)
        one = Inspection.__new__(Inspection)
        one.board, one.recipe = board, Recipe(id=1, name="r", bundle=Path("b"), width_px=320, height_px=240)
        one.bundle = SimpleNamespace(manifest=SimpleNamespace(has_template=False))
        one.criteria, one.templates, one.registrar = Criteria.compile(one.recipe, ("defect",)), {}, None
        one.executor, one.bundle_id, one.judgements_fd = Model(clock), 0, -1
        one._priority, one._misfits = PriorityTrial(), [0, 0]
        found = SimpleNamespace(one=one, board=board, reasons=[])
        monkeypatch.setattr(inspection, "ring", lambda _, judgement: found.reasons.append(Reason(judgement.reason)))

        def show(image, camera=0):
            one.rings = [SimpleNamespace(frame=lambda _: (image, None), check=lambda _: None)] * 2
            one.inspect(Announcement(0, camera, 0, 1, 1, clock.now_ns, clock.now_ns, clock.now_ns + 50 * MS))

        found.show = show
        found.misfits = lambda: [board[camera_cell(camera, CameraCell.MISFIT)] for camera in (0, 1)]
        yield found
        board._cells.release()


@pytest.mark.parametrize("shape", [(480, 640, 1), (240, 320, 3), (16_384, 16_384, 1), (1, 1, 1)])
def test_the_size_of_frames_that_do_not_fit_is_on_the_board_until_they_do(line, shape):
    """By camera; a part is rejected for it."""
    line.show(np.broadcast_to(np.uint8(0), shape), camera=1)
    assert line.reasons == [Reason.NO_RECIPE]
    none, found = line.misfits()
    assert (none, unpack_size(found)) == (0, (shape[1], shape[0], shape[2]))
    line.show(np.zeros((240, 320, 1), np.uint8), camera=0)
    assert line.misfits() == [0, found]
    line.show(np.zeros((240, 320, 1), np.uint8), camera=1)
    assert line.misfits() == [0, 0]
    assert line.reasons[1:] == [Reason.NONE, Reason.NONE]


def test_no_template_is_no_matter_of_size(line):
    line.one.bundle.manifest.has_template = True
    line.show(np.zeros((240, 320, 1), np.uint8))
    assert (line.reasons, line.misfits()) == ([Reason.NO_RECIPE], [0, 0])


BOX = [[0, 0], [600, 600]]


@pytest.mark.parametrize(
    ("regions", "fov", "known"),
    [((), 0, True), ((), 9, True), ((0,), 0, True), ((0,), 1, False), ((0, 2), 2, True), ((None, 0), 1, True)],
)
def test_a_frame_of_a_field_of_view_that_no_region_is_for_is_rejected(look, regions, fov, known):
    """Not inspected everywhere, nor nowhere: nobody has said where to look."""
    test, _ = board_at(1, 0, 0)
    sections = [{"kind": "ignore", "fov": of, "corners": BOX} for of in regions]
    seen, shown = look(test, fov=fov, has_template=False, regions=sections)
    assert (seen.verdict.passed, len(shown)) == (known, int(known))
    assert seen.verdict.reason is (Reason.NONE if known else Reason.NO_RECIPE)
