"""Make each precision of a model, hold it against FP32, and keep what keeps up with it.

Process: offline. Needs the extra `engine`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.frames import Frame, spread
from aoi_daemon.engine.precision.calibrate import Method, calibrate
from aoi_daemon.engine.precision.choice import Choice, Trials, choose
from aoi_daemon.engine.precision.graph import Model, save_model
from aoi_daemon.engine.precision.prepare import convert_fp16
from aoi_daemon.engine.precision.prune import FRAMES, WIDE, check_prunable, prune
from aoi_daemon.engine.precision.quantize import quantise
from aoi_daemon.engine.precision.sensitivity import Asked
from aoi_daemon.engine.progress import Progress
from aoi_daemon.engine.qualify.backend import open_judge, shape_of
from aoi_daemon.engine.qualify.gate import refusal
from aoi_daemon.engine.qualify.qualify import (
    Board,
    Golden,
    Judging,
    Measured,
    Run,
    golden_wrong,
    measure,
    run_boards,
)
from aoi_daemon.engine.qualify.task_figures import MAP_TASKS
from aoi_daemon.errors import InferenceError, ModelError

Refusable = Literal["bf16", "fp16", "int8"]


@dataclass(frozen=True)
class Variant:
    """One precision, made and measured. `refused`: why it may not ship, with its figures; None: it may."""

    precision: Precision
    file: Path
    sha256: str
    run: Run
    measured: Measured
    golden_wrong: tuple[str, ...]
    refused: str | None
    method: Method | None = None
    sparsity: Literal["2:4"] | None = None
    choice: Choice | None = None


@dataclass(frozen=True)
class Bench:
    """What every variant is compared with.

    Attributes:
        folder: where the ONNX files are written.
        manifest: says what the model is; its own models are not looked at.
        judging: with the limits that the bundle will carry.
        boards: the qualification set.
        choosing: boards that INT8's calibration and float layers are chosen on.
        golden: the golden parts.
        reference: FP32's run and figures; None while FP32 itself is on the bench.
    """

    folder: Path
    manifest: Manifest
    judging: Judging
    boards: Sequence[Board]
    choosing: Sequence[Board]
    golden: Mapping[str, Golden]
    threads: int
    progress: Progress
    reference: Variant | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def try_model(self, precision: Precision, model: Model, method: Method | None = None) -> Variant:
        """Write the model, run it over the boards and the golden parts, and judge it.

        Raises:
            ModelError: the model does not keep the contract.
        """
        name = precision if method is None else f"{precision}-{method}"
        file = self.folder / f"{name}.onnx"
        return self.judged(precision, file, save_model(model, file), method)

    def judged(self, precision: Precision, file: Path, sha256: str, method: Method | None = None) -> Variant:
        """Run a model's file over the boards and the golden parts, and judge it.

        Raises:
            ModelError: the model does not keep the contract, or this machine cannot run the precision.
        """
        advance = self.progress.task(f"qualifying {precision if method is None else file.stem}", len(self.boards))
        shape = shape_of(self.boards[0], self.manifest)
        with open_judge(precision, file, self.manifest, shape, threads=self.threads) as executor:
            run = run_boards(precision, executor, self.boards, self.judging, threads=self.threads, advance=advance)
            wrong = golden_wrong(executor, self.golden, self.judging)
        reference = self.reference
        measured = measure(run, self.boards, self.judging, None if reference is None else reference.run)
        refused = refusal(measured, measured if reference is None else reference.measured, wrong)
        return Variant(precision, file, sha256, run, measured, tuple(wrong), refused, method)

    def try_fp16(self, model: Model) -> Variant:
        """Half precision. Raises ModelError where there is nothing to convert."""
        return self.try_model("fp16", convert_fp16(model))

    def try_bf16(self) -> Variant:
        """The reference's own file in bfloat16. Raises ModelError where this machine cannot run that."""
        reference = self.reference
        assert reference is not None
        return self.judged("bf16", reference.file, reference.sha256)

    def try_pruned(self, model: Model, frames: Sequence[Frame]) -> Model | None:
        """The model pruned to 2:4 and repaired: all layers, else the wide ones alone; None where neither keeps up.

        What came out, before the repair and after it, goes into the notes.

        Raises:
            ModelError: nothing can be pruned.
        """
        layers = check_prunable(model)
        made = self._pruned(model, frames, len(layers), 0, "")
        wide = [layer for layer in layers if layer.inputs >= WIDE]
        if made is None and 0 < len(wide) < len(layers):
            made = self._pruned(model, frames, len(wide), WIDE, ", wide layers alone")
        return made

    def _pruned(self, model: Model, frames: Sequence[Frame], layers: int, least: int, which: str) -> Model | None:
        few = spread(frames, FRAMES)
        advance = self.progress.task(f"pruning to 2:4{which}", 1 + layers)
        pruned = prune(model, few, threads=self.threads, advance=advance, least=least)
        self.notes[f"2:4 pruned{which}"] = f"{pruned}; repaired on {len(few)} frames, without labels"
        file = self.folder / "pruned.onnx"
        refused: str | None = None
        for when, made in (("before the repair", pruned.bare), ("after the repair", pruned.repaired)):
            variant = self.judged("fp32", file, save_model(made, file))
            self.notes[f"2:4 {when}{which}"] = f"fp32 {_figures(variant)}; on {len(self.boards)} boards"
            refused = variant.refused
            file.unlink()
        return None if refused else pruned.repaired

    def sparse_or_dense(
        self, precision: Precision, make: Callable[[Model], Variant], pruned: Model | None, dense: Model
    ) -> Variant:
        """What `make` gives of the pruned model where that keeps up, else of the dense one; why, the notes say.

        Raises:
            ModelError: it cannot be made of either.
        """
        if pruned is not None:
            made = attempt(lambda: make(pruned))
            reason = made if isinstance(made, str) else made.refused
            if reason is None and isinstance(made, Variant):
                self.notes[f"2:4 {precision}"] = f"{_figures(made)}; kept"
                return replace(made, sparsity="2:4")
            self.notes[f"2:4 {precision}"] = f"left out: {reason}"
        return make(dense)

    def try_int8(self, model: Model, frames: Sequence[Frame], cache: Path | None, asked: Asked) -> Variant:
        """INT8 as `choose` says, as `int8.onnx`; where that may not ship, by the next best method that may.

        Raises:
            ModelError: there is nothing to quantise.
        """
        advance = self.progress.task("calibrating int8", 2 * len(frames))
        ranges = calibrate(model, frames, threads=self.threads, advance=advance, cache=cache)
        trials = Trials(self.folder, self.manifest, self.judging, self.choosing, self.threads)
        choice = choose(model, ranges, frames[0], asked, trials, progress=self.progress)
        variants: list[Variant] = []
        for method in choice.methods:
            # Layers were chosen with the best method; what is left of its loss says nothing of another.
            kept_float = choice.kept_float if not variants else frozenset[str]()
            made = self.try_model("int8", quantise(model, ranges[method], frames[0], kept_float), method)
            variants.append(replace(made, choice=choice))
            if made.refused is None:
                break
        best = next((variant for variant in variants if variant.refused is None), variants[0])
        for variant in variants:
            if variant is not best:
                variant.file.unlink()
            self.notes[f"int8 by {variant.method}"] = _figures(variant) + ("; kept" if variant is best else "")
        return _renamed(best, self.folder / "int8.onnx")


def check_contract(model: Model, file: Path) -> tuple[bool, Literal[1, 3]]:
    """Whether the model takes a template, and how many channels a frame has.

    Raises:
        ModelError: its inputs are not `image` alone, or `image` and `template`, of 1 or 3 channels.
    """
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    if set(shapes) not in ({"image"}, {"image", "template"}):
        raise ModelError(
            f"{file}: inputs are {', '.join(shapes) or 'none'}; expected image, or image and template: "
            "of another program's model say with --task what it is for"
        )
    channels = shapes["image"][3].dim_value if len(shapes["image"]) == 4 else 0
    if channels not in (1, 3):
        raise ModelError(f"{file}: input image has no 1 or 3 channels in its last dimension; expected (1, H, W, C)")
    return "template" in shapes, 1 if channels == 1 else 3


def attempt(make: Callable[[], Variant]) -> Variant | str:
    """The variant, or why it cannot be made, or gives what no model may say."""
    try:
        return make()
    except (ModelError, InferenceError) as error:
        return str(error)


def _figures(variant: Variant) -> str:
    measured = variant.measured
    if measured.of_task.task in ("classify", *MAP_TASKS):
        text = f"{measured.of_task}, {len(measured.flips)} flips"
        return text if variant.refused is None else f"{text}; refused: {variant.refused}"
    text = f"mAP {measured.map50:.2%} at IoU 0.5, {measured.map50_95:.2%} at 0.5:0.95, {len(measured.flips)} flips"
    return text if variant.refused is None else f"{text}; refused: {variant.refused}"


def _renamed(variant: Variant, file: Path) -> Variant:
    variant.file.rename(file)
    return replace(variant, file=file)
