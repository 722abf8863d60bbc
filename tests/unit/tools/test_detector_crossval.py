"""Ways to train, compared on groups of boards that were held out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from aoi_daemon.kit.boards.generate import write_boards  # noqa: E402  # after the skips
from aoi_daemon.kit.boards.labels import BoardsError, read_pairs  # noqa: E402
from aoi_daemon.kit.boards.options import BoardOptions, Style  # noqa: E402
from tools.detector.crossval.cli import main  # noqa: E402
from tools.detector.crossval.folds import folds_of, groups_of  # noqa: E402
from tools.detector.crossval.pack import pack, read_names, unpack  # noqa: E402
from tools.detector.crossval.report import lines_of  # noqa: E402
from tools.detector.crossval.series import steps_for  # noqa: E402
from tools.detector.crossval.variants import Learn, Variant, parse  # noqa: E402
from tools.detector.crossval.work import Bench, Run, Setting  # noqa: E402
from tools.detector.crossval.workers import Speed  # noqa: E402
from tools.detector.data import load_tiles  # noqa: E402
from tools.detector.loss import Aim  # noqa: E402
from tools.detector.plan import Plan  # noqa: E402


@given(st.lists(st.integers(1, 300), min_size=2, max_size=20), st.integers(2, 6))
def test_every_group_is_in_one_fold_and_no_fold_is_empty(sizes, count):
    """Whatever the groups' sizes; the folds differ by no more than the largest group."""
    names = [f"{group:05}{board:03}" for group, size in enumerate(sizes) for board in range(size)]
    groups = groups_of(names, 5)
    if len(sizes) < count:
        with pytest.raises(BoardsError, match="name at most that many"):
            folds_of(groups, count)
        return
    folds = folds_of(groups, count)
    assert sorted(name for fold in folds for name in fold) == sorted(groups)
    boards = [sum(len(groups[name]) for name in fold) for fold in folds]
    assert min(boards) > 0
    assert max(boards) - min(boards) <= max(sizes)


def test_a_variant_says_what_it_does_otherwise():
    """Numbers go to the plan and to its aim."""
    variant = parse("wide:start,learn=both,rate=0.001,fit=1,scale=0.5")
    assert variant == Variant("wide", True, Learn.BOTH, {"rate": 0.001, "fit": 1.0, "scale": 0.5})
    plan = variant.plan(Plan(minutes=1))
    assert (plan.rate, plan.scale, plan.aim) == (0.001, 0.5, Aim(fit=1.0))
    assert parse("base").plan(Plan(minutes=1)) == Plan(minutes=1)


@pytest.mark.parametrize(
    "text", ["", ":start", "a b:start", "a:begin", "a:learn=all", "a:rate", "a:rate=fast", "a:fit=-1"]
)
def test_a_variant_that_says_something_else_is_refused(text):
    """By the word."""
    with pytest.raises(BoardsError, match="variant"):
        parse(text)


@given(
    st.lists(st.tuples(st.floats(0.5, 50), st.floats(0.001, 0.1)), min_size=1, max_size=6),
    st.integers(1, 30),
    st.floats(30, 600),
)
def test_the_steps_of_all_runs_fit_into_the_time(speeds, count, left_s):
    """At the slowest worker's pace, judging included; or they are refused."""
    run = Run(Variant("base"), 1, "x", tuple(range(200)))
    measured = [Speed(*speed) for speed in speeds]
    try:
        steps = steps_for(measured, [run] * count, left_s)
    except BoardsError as error:
        assert "steps/s, at least 20 are needed; allow" in str(error)
        return
    rounds = -(-count // len(speeds))
    slowest = max(steps / speed.steps_per_s + 200 * speed.board_s for speed in measured)
    assert rounds * slowest <= left_s


def result(variant, seed, value):
    """A run's line."""
    figures = dict.fromkeys(("map33", "f", "f_best", "map50", "map75"), value)
    return {"variant": variant, "seed": seed, "fold": "x", "trained_s": 60.0, **figures}


def test_the_report_pairs_the_seeds_that_both_have():
    """By hand: 91 and 95 less 90 and 93; the third seed has no partner."""
    results = [result("base", 1, 0.90), result("base", 2, 0.93), result("base", 3, 0.99)]
    results += [result("new", 2, 0.95), result("new", 1, 0.91)]
    text = "\n".join(lines_of(results, ["base", "new", "none"]))
    assert "mAP@0.33         94.00 ± 4.58  of 90.00 93.00 99.00" in text
    assert "new less base, by seed (2 pairs)\n  mAP@0.33         +1.50 ± 0.71  of +1.00 +2.00" in text
    assert "none: no run ended" in text


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """Two groups of two scans, and two generated boards, packed."""
    folder = tmp_path_factory.mktemp("boards")
    options = BoardOptions(style=Style.BINARY, good_fraction=0.0)
    for name, seed, count in (("scans", 1, 4), ("more", 2, 2)):
        write_boards(folder / name, count, seed, options)
    for path in sorted((folder / "scans").iterdir()):
        group = "00041" if int(path.name[5:11]) < 2 else "13000"
        path.rename(path.with_name(group + path.name[8:]))
    pack(read_pairs(folder / "scans"), read_pairs(folder / "more"), folder / "boards.npz", 1)
    return folder


def test_what_is_packed_comes_back_as_it_was(boards):
    """Pictures to the pixel, labels, names, and which were generated."""
    packed = unpack(boards / "boards.npz")
    pairs = read_pairs(boards / "scans") + read_pairs(boards / "more")
    tiles = load_tiles(pairs, 1)
    assert np.array_equal(packed.tiles.images, tiles.images)
    assert np.array_equal(packed.tiles.boxes, tiles.boxes)
    assert np.array_equal(packed.tiles.classes, tiles.classes)
    assert packed.names == tuple(pair.name for pair in pairs)
    assert packed.generated.tolist() == [False] * 4 + [True] * 2
    assert read_names(boards / "boards.npz") == ([pair.name for pair in pairs[:4]], 2)


def test_boards_that_cannot_be_packed_as_they_are_are_refused(tmp_path):
    """Gray ones, and those of another size; and a file that is no pack."""
    write_boards(tmp_path / "gray", 1, 3, BoardOptions(style=Style.GRAY, good_fraction=0.0))
    write_boards(tmp_path / "wide", 1, 3, BoardOptions(800, 640, style=Style.BINARY, good_fraction=0.0))
    for name, words in (("gray", "not a one-bit scan"), ("wide", "is 800x640 px")):
        with pytest.raises(BoardsError, match=words):
            pack(read_pairs(tmp_path / name), [], tmp_path / "x.npz", 1)
    with pytest.raises(BoardsError, match="no such file"):
        unpack(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(b"PK no zip")
    with pytest.raises(BoardsError, match="is not a file that `crossval pack` wrote"):
        unpack(tmp_path / "x.npz")


def test_a_run_learns_from_no_board_of_its_test(boards):
    """Of whatever kind; what is left is dealt to learning and to the threshold."""
    bench = Bench(Setting(boards / "boards.npz", Plan(minutes=0, steps=1), "cpu"))
    held = (2, 3)
    for learn, all_of_them in ((Learn.SCANS, {0, 1}), (Learn.GENERATED, {4, 5}), (Learn.BOTH, {0, 1, 4, 5})):
        learnt, chooses = bench._dealt(Run(Variant("x", learn=learn), 1, "x", held))
        assert set(learnt) | set(chooses) == all_of_them
        assert not set(learnt) & set(chooses)


def test_a_series_that_was_cut_off_goes_on(boards, tmp_path, capsys):
    """What ended is kept, a line that was cut off is done again; each seed trains otherwise."""
    out = tmp_path / "out"
    arguments = ["run", "--data", str(boards / "boards.npz"), "--variant", "base", "--variant", "fit:fit=1"]
    arguments += ["--seeds", "2", "--folds", "2", "--fold", "1", "--device", "cpu", "--workers", "1", "--batch", "2"]
    arguments += ["--crop", "128", "--steps", "2", "--minutes", "4", "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("4 runs, 4 of them to do")
    path = out / "results.jsonl"
    lines = path.read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    assert {(run["variant"], run["seed"], run["plan"]["seed"], run["boards"]) for run in runs} == {
        ("base", 1, 1, 2), ("base", 2, 2, 2), ("fit", 1, 1, 2), ("fit", 2, 2, 2),
    }  # fmt: skip
    assert {run["variant"]: run["plan"]["aim"]["fit"] for run in runs} == {"base": Aim().fit, "fit": 1.0}
    path.write_text("\n".join(lines[:3]) + "\n" + lines[3][:50])
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("4 runs, 1 of them to do")
    assert {(run["variant"], run["seed"]) for run in map(json.loads, path.read_text().splitlines())} == {
        (name, seed) for name in ("base", "fit") for seed in (1, 2)
    }
    assert main(arguments) == 0
    assert "4 runs, 0 of them to do" in capsys.readouterr().out
    assert main([*arguments, "--batch", "4"]) == 2
    assert "base, seed 1 was trained by another plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--variant", "a", "--variant", "a:fit=1"], "a name is used twice"),
        (["--variant", "a:start"], "weights: a variant says start"),
        (["--variant", "a", "--fold", "3"], "fold: 3, allowed are 1 to 2"),
        (["--variant", "a", "--folds", "5"], "folds: 5 of 2 board groups"),
        (["--variant", "a", "--crop", "100"], "crop: 100 px"),
        (["--variant", "a", "--seeds", "0"], "seeds: 0, at least 1 is needed"),
    ],
)
def test_questions_that_do_not_fit_are_refused(boards, tmp_path, capsys, asked, words):
    """Before a worker starts, in one line."""
    arguments = ["run", "--data", str(boards / "boards.npz"), "--folds", "2", "--device", "cpu", *asked]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
