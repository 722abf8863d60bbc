"""One run from folders to metrics: read, train, test, export, write it all down."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console

from aoi_daemon.engine.labels import Asked, read_labelled
from aoi_daemon.engine.qualify.metrics import DEEPPCB_IOU
from aoi_daemon.kit.boards.generate import write_boards
from aoi_daemon.kit.boards.labels import CLASS_NAMES, BoardsError, Pair
from aoi_daemon.kit.boards.options import BoardOptions
from tools.detector import checkpoint, data, evaluate, predict, report
from tools.detector.decoder import Decoder, fused
from tools.detector.export import export_onnx
from tools.detector.model import Detector, Shape, parameter_count
from tools.detector.plan import Plan
from tools.detector.pool import Pool
from tools.detector.progress import line_of, reporter
from tools.detector.ranks import Ranks
from tools.detector.start import read as read_start
from tools.detector.stream import BATCH, BoardStream
from tools.detector.train import BEST, LAST, Trainer

ONNX: Final = "model.onnx"
# Of the labelled boards to train on, each 25th chooses the best weights and the threshold instead.
VALIDATION_PART: Final = 1 / 25
ENOUGH_TO_VALIDATE: Final = 50
GENERATED_VALIDATION: Final = 200
# Training starts when this many of the generated boards have come; the others follow meanwhile.
FIRST_BOARDS: Final = 2048
# Added to the run's seed for generated boards, far from each other and from what people type: a board
# that make_boards writes for a test was never trained on.
VALIDATION_SEED, TEST_SEED, TRAINING_SEED = 1_000_000_003, 2_000_000_003, 3_000_000_003
# Between the generated boards of processes that train one detector.
RANK_SEED: Final = 500_000_003


@dataclass(frozen=True)
class Job:
    """What was asked for on the command line.

    Attributes:
        boards: folders to train on; `holdout` of them is for the test, when above 0.
        tests: folders to test with.
        generate: places for generated boards in training, refilled as fast as `jobs` processes can; 0 none.
        generated_tests: generated boards to test with.
        start: a checkpoint whose weights training begins with.
        weights: a checkpoint to test and export instead of training.
        asked: classes, templates and depth of the parts on disk.
    """

    out: Path
    plan: Plan
    boards: tuple[Path, ...] = ()
    tests: tuple[Path, ...] = ()
    holdout: float = 0.0
    generate: int = 0
    generated_tests: int = 0
    board_options: BoardOptions = field(default_factory=BoardOptions)
    device: str = "cuda"
    jobs: int = 1
    resume: bool = False
    start: Path | None = None
    weights: Path | None = None
    asked: Asked = field(default_factory=lambda: Asked(CLASS_NAMES))


@dataclass(frozen=True)
class _Boards:
    """Labelled boards by purpose; those to train on are decoded."""

    validate: list[Pair]
    tests: dict[str, list[Pair]]
    tiles: data.Tiles | None


def run(job: Job, console: Console, ranks: Ranks) -> dict[str, Any]:
    """Carry the job out; returns what is written to metrics.json, nothing in a process that is not the first.

    Raises:
        BoardsError: wrong input, found before anything is written, or a time too short to learn anything.
    """
    device = _settle(ranks.device)
    boards = _read(job)
    if not job.resume and (job.out / LAST).exists() and job.weights is None:
        raise BoardsError(f"{job.out}: holds a run already; go on with --resume or name a new folder")
    if job.resume and not (job.out / LAST).is_file():
        raise BoardsError(f"{job.out / LAST}: no such file, there is no run to resume")
    weights = checkpoint.load(job.weights)[0] if job.weights is not None else None
    if weights is not None:
        _fits(job, weights)
    start = read_start(job.start) if job.start is not None else None
    is_new = not job.out.exists()
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise BoardsError(f"{job.out}: cannot be made: {e.strerror}") from e
    with ExitStack() as owned:
        if job.generate or job.generated_tests:
            folder = Path(owned.enter_context(tempfile.TemporaryDirectory(prefix="boards-")))
            _generate(job, boards, folder, console)
        training: dict[str, Any] = {}
        if weights is None:
            try:
                training = _train(job, ranks, boards, start, console)
            except BoardsError:
                if is_new and ranks.is_first and not any(job.out.iterdir()):
                    job.out.rmdir()
                raise
            if not ranks.is_first:
                return {}
            weights = checkpoint.load(job.out / BEST)[0]
        metrics = _judge(job, device, boards, weights, console)
        metrics["training"] = training
        metrics["export"] = export_onnx(Decoder(fused(weights.cpu())), job.out / ONNX)
        checkpoint.write_json(job.out / "metrics.json", metrics)
        console.print(f"{job.out / ONNX}: differences to PyTorch {metrics['export']['differences']}")
        return metrics


def _settle(device: Any) -> Any:
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BoardsError("device: cuda, but PyTorch finds no CUDA device; try --device cpu")
    torch.backends.cudnn.benchmark = True
    # Figures are those of float32, not of the rounder TF32.
    torch.backends.cudnn.allow_tf32 = False
    return device


def _fits(job: Job, weights: Detector) -> None:
    """Check a checkpoint that is only tested. Raises BoardsError where it is for other parts than were named."""
    shape = weights.shape
    if (shape.classes, shape.template) != (job.asked.classes, job.asked.need_templates):
        words = f"--classes {','.join(shape.classes)}" + ("" if shape.template else " --no-template")
        raise BoardsError(f"{job.weights}: was trained with {words}; say the same here")


def _read(job: Job) -> _Boards:
    train = data.read_folders(job.boards, job.asked)
    for folder in {path.resolve() for path in job.boards} & {path.resolve() for path in job.tests}:
        raise BoardsError(f"{folder}: named to train on and to test with; --holdout tests on a part of it")
    tests = {folder.name or str(folder): read_labelled(folder, job.asked) for folder in job.tests}
    if len(tests) < len(job.tests):
        raise BoardsError("test: two folders of the same name; the report would hold one of them")
    validate: list[Pair] = []
    if job.holdout:
        train, tests["holdout"] = data.split(train, job.holdout)
    if len(train) >= ENOUGH_TO_VALIDATE and job.weights is None:
        train, validate = data.split(train, VALIDATION_PART)
    elif not tests and not job.generate and not job.generated_tests:
        raise BoardsError(f"{len(train)} boards are too few to set some aside; name --test or --holdout")
    if job.weights is not None:
        train = []
    template = job.asked.need_templates
    # Every image is decoded now: a damaged one must not end the run after the training.
    data.check_images([*validate, *(pair for pairs in tests.values() for pair in pairs)], job.jobs, template)
    return _Boards(validate, tests, data.load_tiles(train, job.jobs, template) if train else None)


def _generate(job: Job, boards: _Boards, folder: Path, console: Console) -> None:
    """Make generated boards to validate and to test with, and add them to `boards`."""
    seeds = [("validation", VALIDATION_SEED, GENERATED_VALIDATION)] if job.generate and not job.weights else []
    if job.generated_tests:
        seeds.append(("generated", TEST_SEED, job.generated_tests))
    for name, seed, count in seeds:
        write_boards(folder / name, count, job.plan.seed + seed, job.board_options, jobs=job.jobs)
        pairs = read_labelled(folder / name, job.asked)
        console.print(f"generated {count} boards for {name}")
        if name == "generated":
            boards.tests[name] = pairs
        else:
            boards.validate.extend(pairs)


def _train(job: Job, ranks: Ranks, boards: _Boards, start: Detector | None, console: Console) -> dict[str, Any]:
    shape = Shape(classes=job.asked.classes, template=job.asked.need_templates)
    with ExitStack() as owned:
        pool = Pool(boards.tiles, job.generate, ranks.device, 1 + shape.template)
        trainer = Trainer(job.plan, job.out, pool, shape, ranks)
        if start is not None:
            trainer.start(start)
        if job.resume:
            trainer.resume()
        if job.generate:
            # A good board teaches little that the rest of a bad one does not.
            options = replace(job.board_options, good_fraction=min(job.board_options.good_fraction, 0.1))
            # A resumed run goes on with other boards.
            seed = TRAINING_SEED + job.plan.seed + trainer.state.step + RANK_SEED * ranks.rank
            stream = BoardStream(seed, max(1, job.jobs // ranks.count), options)
            trainer.stream = owned.enter_context(stream)
            _fill(pool, stream, min(FIRST_BOARDS, job.generate), console)
        counts = f"{pool.fixed} labelled and {pool.fresh} places for generated tiles"
        among = f", {ranks.count} processes" if ranks.count > 1 else ""
        console.print(f"training on {counts}, {parameter_count(trainer.detector)} parameters, {ranks.device}{among}")
        validate = _validator(job, ranks.device, boards.validate, trainer, console)
        trainer.run(validate, owned.enter_context(reporter(console)))
        return {
            "steps": trainer.state.step,
            "minutes": trainer.state.elapsed_s / 60,
            "processes": ranks.count,
            "best_validation": trainer.state.best,
            "labelled_tiles": pool.fixed,
            "generated_boards": pool.arrived,
        }


def _fill(pool: Pool, stream: BoardStream, count: int, console: Console) -> None:
    with console.status("generating the first boards"):
        while pool.arrived < count:
            tiles = stream.take(1.0)
            if tiles is not None:
                pool.add(tiles)
    console.print(f"{pool.arrived} generated boards, in batches of {BATCH}")


def _validator(job: Job, device: Any, pairs: list[Pair], trainer: Trainer, console: Console) -> Any:
    truths, count = predict.truth_of(pairs), len(job.asked.classes)
    if not pairs:
        # Too few boards to set some aside: the last weights are the best.
        return lambda _: 0.0

    def validate(detector: Detector) -> float:
        found = predict.detect(detector, pairs, device, job.jobs)
        loose, tight = (evaluate.mean_average_precision(found, truths, iou, count) for iou in (DEEPPCB_IOU, 0.75))
        console.print(
            f"step {trainer.state.step}: validation mAP@0.33 {100 * loose:.2f} %, mAP@0.75 {100 * tight:.2f} %"
        )
        # Mostly the protocol's figure; tighter boxes break its many ties near 100 %.
        return loose + 0.1 * tight

    return validate


def _judge(job: Job, device: Any, boards: _Boards, weights: Detector, console: Console) -> dict[str, Any]:
    """Test, with the threshold that validation chose, and draw the pictures."""
    tests, names = boards.tests or {"validation": boards.validate}, job.asked.classes
    choose_on = "validation" if boards.validate else next(iter(tests))
    choosing = boards.validate or tests[choose_on]
    found = predict.detect(weights, choosing, device, job.jobs)
    threshold = evaluate.best_threshold(found, predict.truth_of(choosing), len(names))
    figures: dict[str, Any] = {}
    lines: dict[str, tuple[list[evaluate.Detections], list[evaluate.Truth]]] = {}
    for name, pairs in tests.items():
        found, truths = predict.detect(weights, pairs, device, job.jobs), predict.truth_of(pairs)
        lines[name] = (found, truths)
        figures[name] = evaluate.summary(found, truths, threshold, names)
        console.print(line_of(name, figures[name]))
        figures[name]["by_size"] = _by_size(pairs, found, truths, threshold, names)
    first = next(iter(tests))
    report.write_curves(job.out / "pr_curves.png", lines, names)
    report.write_examples(job.out / "examples.png", tests[first], lines[first][0], threshold, names)
    return {
        "threshold": threshold,
        "threshold_chosen_on": choose_on,
        "tests": figures,
        "classes": names,
        "parameters": parameter_count(weights),
        "plan": asdict(job.plan),
        "torch": torch.__version__,
    }


def _by_size(
    pairs: list[Pair],
    found: list[evaluate.Detections],
    truths: list[evaluate.Truth],
    threshold: float,
    names: tuple[str, ...],
) -> dict[str, dict[str, object]]:
    """The figures of each size of part, where a test has several."""
    places: dict[str, list[int]] = {}
    for i, pair in enumerate(pairs):
        places.setdefault(f"{pair.width_px}x{pair.height_px}", []).append(i)
    if len(places) == 1:
        return {}
    return {
        size: evaluate.summary([found[i] for i in chosen], [truths[i] for i in chosen], threshold, names)
        for size, chosen in sorted(places.items())
    }
