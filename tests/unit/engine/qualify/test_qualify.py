from dataclasses import replace

import cv2
import numpy as np
import pytest

from aoi_daemon.config.limits import ClassLimit
from aoi_daemon.config.recipe import Recipe
from aoi_daemon.engine.bundle import golden
from aoi_daemon.engine.labels import BoardsError, read_pairs
from aoi_daemon.engine.qualify.gate import MAX_MAP_LOSS, refusal
from aoi_daemon.engine.qualify.qualify import Golden, Judging, boards_of, golden_wrong, measure, run_boards
from aoi_daemon.errors import ConfigError
from aoi_daemon.infer.onnx.executor import OnnxExecutor
from aoi_daemon.pictures import read_picture


class Scripted:
    """An executor that says what it is told, board by board (again for each warm-up)."""

    name = "scripted"
    has_template = True

    def __init__(self, answer):
        self.answer = answer

    def infer(self, image, template, deadline_ns):
        rows = self.answer(image)
        boxes, scores = np.zeros((100, 4), np.float32), np.zeros(100, np.float32)
        classes = np.zeros(100, np.int32)
        for i, (box, score, kind) in enumerate(rows):
            boxes[i], scores[i], classes[i] = box, score, kind
        return self.decoder.decode((boxes[None], scores[None], classes[None]), image.shape)


@pytest.fixture
def set_of(boards, manifest):
    def read(count=None):
        return boards_of(read_pairs(boards, class_count=2)[:count], manifest)

    return read


def run(executor, boards, judging):
    return run_boards("fp32", executor, boards, judging, threads=1, advance=lambda: None)


def test_the_toy_detector_finds_everything(toy, set_of, manifest):
    boards, judging = set_of(), Judging(manifest, None)
    with OnnxExecutor(toy, manifest, threads=1) as executor:
        measured = measure(run(executor, boards, judging), boards, judging, None)
    assert measured.map33 == measured.map50 == 1.0
    assert (measured.agreement.escapes.count, measured.agreement.escapes.of) == (0, 40)
    assert (measured.agreement.false_calls.count, measured.agreement.false_calls.of) == (0, 20)
    assert measured.agreement.kappa == pytest.approx(1.0)
    assert 0 < measured.median_ms <= measured.p99_ms


def test_an_executor_that_finds_nothing_lets_every_bad_board_escape(set_of, manifest):
    boards, judging = set_of(), Judging(manifest, None)
    measured = measure(run(Scripted(lambda _: []), boards, judging), boards, judging, None)
    assert measured.agreement.escapes.rate == 1.0
    assert measured.agreement.false_calls.rate == 0.0
    assert measured.map50 == 0.0


def test_flips_are_against_the_reference_board_by_board(toy, set_of, manifest):
    boards, judging = set_of(), Judging(manifest, None)
    with OnnxExecutor(toy, manifest, threads=1) as executor:
        reference = run(executor, boards, judging)
    shouting = run(Scripted(lambda _: [((1, 1, 9, 9), 0.9, 0)]), boards, judging)
    good = [i for i, board in enumerate(boards) if board.pair.is_good]
    assert list(measure(shouting, boards, judging, reference).flips) == good


def test_duplicates_are_one_as_the_recipe_says(set_of, manifest):
    boards, judging = set_of(2), Judging(manifest, None)
    twice = Scripted(lambda _: [((10, 10, 30, 30), 0.9, 0), ((11, 10, 31, 30), 0.8, 0)])
    assert [len(seen.scores) for seen in run(twice, boards, judging).found] == [1, 1]


def test_a_recipe_brings_its_thresholds_and_regions(toy, set_of, manifest):
    boards = set_of()
    recipe = Recipe(
        id=1, name="strict", bundle="x", width_px=96, height_px=96, limits=(ClassLimit(name="*", score=1.0),)
    )
    judging = Judging(manifest, recipe)
    with OnnxExecutor(toy, manifest, threads=1) as executor:
        measured = measure(run(executor, boards, judging), boards, judging, None)
    assert measured.agreement.escapes.rate == 1.0
    assert measured.at_limits.recall == 0.0
    assert measured.map33 == 1.0  # no threshold moves it


def test_a_board_of_another_size_than_the_recipes_is_refused(toy, set_of, manifest):
    recipe = Recipe(id=1, name="wide", bundle="x", width_px=128, height_px=96)
    with (
        OnnxExecutor(toy, manifest, threads=1) as executor,
        pytest.raises(BoardsError, match=r"b000_test\.png: the board is 96x96 px, recipe wide is for 128x96"),
    ):
        run(executor, set_of(1), Judging(manifest, recipe))


def test_a_recipe_for_another_bundle_is_refused(manifest):
    recipe = Recipe(id=1, name="other", bundle="x", width_px=96, height_px=96, limits=(ClassLimit(name="scratch"),))
    with pytest.raises(ConfigError, match="the bundle has no class scratch"):
        Judging(manifest, recipe)


def test_a_board_that_is_no_multiple_of_the_stride_is_named(boards, manifest):
    with pytest.raises(BoardsError, match=r"b000_test\.png: frames are 96 x 96 px, bundle toy needs multiples of 64"):
        boards_of(read_pairs(boards, class_count=2), manifest.model_copy(update={"stride_px": 64}))


class TestGate:
    @pytest.fixture
    def reference(self, toy, set_of, manifest):
        boards, judging = set_of(), Judging(manifest, None)
        with OnnxExecutor(toy, manifest, threads=1) as executor:
            return measure(run(executor, boards, judging), boards, judging, None)

    def changed(self, measured, map50):
        return type(measured)(**{**vars(measured), "map50": map50})

    def test_one_point_is_allowed(self, reference):
        assert refusal(self.changed(reference, reference.map50 - MAX_MAP_LOSS), reference, []) is None

    def test_more_than_a_point_is_refused_with_both_figures(self, reference):
        reason = refusal(self.changed(reference, 0.9874), reference, [])
        assert reason == "mAP at IoU 0.5 is 98.74%, 1.26 points below fp32's 100.00% (allowed: 1.00)"

    def test_a_better_one_is_not_refused(self, reference):
        assert refusal(reference, self.changed(reference, 0.5), []) is None

    def test_one_golden_verdict_is_enough_and_named(self, reference):
        assert refusal(reference, reference, ["b007"]) == "golden verdicts that do not hold: 1 (b007)"


class TestGolden:
    @pytest.fixture
    def chosen(self, toy, set_of, manifest):
        def choose(count=24, boards=None, score=0.5):
            boards, judging = boards or set_of(), Judging(manifest, None, (ClassLimit(name="*", score=score),))
            with OnnxExecutor(toy, manifest, threads=1) as executor:
                seen = run(executor, boards, judging)
            return golden.choose(boards, seen, golden.Wanted(manifest, judging.thresholds, count))

        return choose

    def test_half_are_good_half_bad_and_each_class_is_there(self, chosen, boards):
        parts = chosen()
        assert len(parts) == 24
        assert sum(part.passed for part in parts) == 12
        pairs = {pair.name: pair for pair in read_pairs(boards, class_count=2)}
        assert all(pairs[part.name].is_good is part.passed for part in parts)
        assert {int(kind) for part in parts for kind in pairs[part.name].classes} == {0, 1}

    def test_they_hold_with_the_model_they_were_chosen_by(self, chosen, toy, manifest):
        parts = {part.name: Golden(part.frame, part.passed, part.boxes) for part in chosen()}
        judging = Judging(manifest, None)
        with OnnxExecutor(toy, manifest, threads=1) as executor:
            assert golden_wrong(executor, parts, judging) == []
        bad = sorted(name for name, part in parts.items() if not part.passed)
        assert bad and all(parts[name].boxes for name in bad)
        assert sorted(golden_wrong(Scripted(lambda _: []), parts, judging)) == bad

    def test_a_bad_part_that_is_rejected_for_something_else_does_not_hold(self, chosen, manifest):
        """A model that finds something in the corner of every bad board rejects them all."""
        parts = {part.name: Golden(part.frame, part.passed, part.boxes) for part in chosen() if not part.passed}
        corner = Scripted(lambda _: [((0, 0, 4, 4), 0.99, 0)])
        assert sorted(golden_wrong(corner, parts, Judging(manifest, None))) == sorted(parts)
        without = {name: part._replace(boxes=()) for name, part in parts.items()}
        assert golden_wrong(corner, without, Judging(manifest, None)) == []

    def test_they_are_written_as_they_were_read(self, chosen, tmp_path):
        parts = chosen()
        black_and_white = tmp_path / "scan_test.png"
        image, _ = parts[0].frame.read()
        cv2.imwrite(str(black_and_white), (image > 114).astype(np.uint8) * 255)
        scan = golden.Chosen("scan", replace(parts[0].frame, image=black_and_white), True)
        entries = golden.write_golden(tmp_path, [*parts, scan])
        for part, entry in zip([*parts, scan], entries, strict=True):
            for file, pixels in zip((entry.image, entry.template), part.frame.read(), strict=True):
                assert np.array_equal(read_picture(tmp_path / file, 1), pixels)
        assert (tmp_path / "golden" / "scan_test.png").read_bytes()[24] == 1  # bits a pixel, PNG's IHDR

    def test_templates_stand_in_for_good_boards(self, chosen, set_of):
        bad = [board for board in set_of() if not board.pair.is_good]
        parts = chosen(boards=bad)
        templates = [part for part in parts if part.passed]
        assert len(templates) == 12
        assert all(part.name.endswith("-template") and part.frame.image == part.frame.template for part in templates)

    def test_unclear_cases_are_not_taken(self, chosen):
        # Half way from 0.995 to 1 is 0.9975: too few boards have a defect as plain as that.
        with pytest.raises(BoardsError, match=r"golden: .* are clear cases, 20 bad and as many good"):
            chosen(count=40, score=0.995)

    def test_a_class_without_a_clear_case_is_named(self, chosen, set_of):
        bright = [board for board in set_of() if 1 not in board.pair.classes]
        with pytest.raises(BoardsError, match="golden: no board has a clear dark"):
            chosen(boards=bright)
