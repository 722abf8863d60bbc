"""What the hot loop makes of one view, with a model that is a stand-in."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.decide.priority import PriorityTrial
from aoi_daemon.inspection import main as inspection
from aoi_daemon.inspection.main import Inspection
from aoi_daemon.inspection.prove import Product
from aoi_daemon.messages import Announcement, Proof, Reason
from aoi_daemon.ring.memory import SharedMemory
from aoi_daemon.stage.board import SIZE_BYTES, Board, CameraCell, Cell, camera_cell, unpack_size
from tests.unit.infer.manifests import manifest_of
from tests.unit.inspection.conftest import looker_of, map_recipe, reading

MS = 1_000_000


# -- how outputs are read ---------------------------------------------------------------------------


def test_golden_parts_are_read_as_the_bundle_says_and_parts_as_the_product_does():
    """A product that asks for more than the bundle would let the bad golden part pass."""
    manifest = manifest_of("anomaly", maps={"threshold": 0.3}, golden_limits=({"name": "*", "score": 0.3},))
    one, image = reading(manifest, map_recipe(maps={"threshold": 0.6}))
    assert one.qualify() == []
    assert len(one.executor.infer(image, None, 0).scores) == 0


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
        looker = looker_of(one.recipe, clock)
        one.views, one.judgements_fd = SimpleNamespace(of=lambda camera, fov: looker), -1
        one._priority, one._misfits = PriorityTrial(), [0, 0]
        found = SimpleNamespace(one=one, board=board, reasons=[], looker=looker)
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
    line.looker.bundle.manifest.has_template = True
    line.show(np.zeros((240, 320, 1), np.uint8))
    assert (line.reasons, line.misfits()) == ([Reason.NO_RECIPE], [0, 0])
