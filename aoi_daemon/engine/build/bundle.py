"""Put engines into a bundle: for a target when the bundle is made, or on the machine that will run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aoi_daemon.engine.build.arguments import SizePx
from aoi_daemon.engine.build.build import Order, build_plan
from aoi_daemon.engine.build.plan import write_plan
from aoi_daemon.engine.build.progress import Progress
from aoi_daemon.engine.build.target import choose_target, find_gpu
from aoi_daemon.engine.build.tuning import NO_TUNING, Tuning
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import load_bundle
from aoi_daemon.infer.executor import frame_problems
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.trt.plan import ENGINES, Plan, Precision, golden_shapes, plan_name
from aoi_daemon.infer.trt.vendor import load_vendor


def build_for_bundle(
    folder: Path,
    target: str | None,
    precisions: Sequence[Precision],
    sizes: Sequence[SizePx],
    *,
    progress: Progress | None = None,
    workspace_mb: int = 1024,
    timing_cache: Path | None = None,
    device: int = 0,
    tuning: Tuning = NO_TUNING,
) -> list[Plan]:
    """Build the bundle's models and write the plans into its folder `engines/`.

    The bundle's manifest is not touched, and names none of them: its hash, by
    which records know the bundle, stays the same on every machine.

    Args:
        folder: a bundle whose manifest and ONNX files are in place.
        target: as sm75, with TensorRT-RTX; None: the GPU of this machine.
        precisions: of the bundle's models.
        sizes: (width_px, height_px) of the frames to serve, an exact profile each, beside those of the golden parts,
            by which the line proves the engine before READY.
        progress: told what the builder does.
        workspace_mb: scratch memory of a kernel.
        timing_cache: kernel times, read and written.
        device: GPU of this machine.
        tuning: what the builder is told beside.

    Returns:
        The plans, in the order of `precisions`. Those written before one is refused stay: each is complete.

    Raises:
        ModelError: the bundle, a size or the builder does not allow it, or a model is not what the manifest says.
        KeyboardInterrupt: `progress` was cancelled.
    """
    bundle = load_bundle(folder)
    golden = ((width, height) for height, width, _ in golden_shapes(bundle))
    sizes = list(dict.fromkeys([*sizes, *golden]))
    problems = [
        problem for w, h in sizes for problem in frame_problems((h, w, bundle.manifest.channels), bundle.manifest)
    ]
    if problems:
        raise ModelError(f"{folder}: {'; '.join(problems)}")
    vendor = load_vendor()
    built_for = choose_target(vendor, target, find_gpu(device))
    plans = []
    for precision in precisions:
        # Before minutes of work: what the executor would refuse of the finished plan.
        check_file(bundle.model_path(precision), bundle.manifest)
        file = folder / ENGINES / plan_name(precision, vendor.flavour, vendor.version, built_for)
        order = Order(
            onnx=bundle.model_path(precision),
            file=file,
            precision=precision,
            sizes=sizes,
            workspace_mb=workspace_mb,
            target=target,
            device=device,
            timing_cache=timing_cache,
            tuning=tuning,
            manifest=bundle.manifest,
        )
        plan = build_plan(order, progress)
        write_plan(plan)
        plans.append(plan)
    return plans


def check_targets(targets: Sequence[str]) -> None:
    """Before hours of work: can engines for `targets` be built here at all? Raises ModelError."""
    vendor, gpu = load_vendor(), find_gpu(0)
    for target in targets:
        choose_target(vendor, target, gpu)


def build_for_targets(
    folder: Path, targets: Sequence[str], sizes: Sequence[SizePx], progress: Progress
) -> tuple[list[Plan], list[str]]:
    """Build every precision of a finished bundle for every target.

    Args:
        folder: the bundle.
        targets: as sm75.
        sizes: (width_px, height_px) of the frames to serve; none: those of the boards it was qualified on.
        progress: told what the builder does.

    Returns:
        The plans, written; and for each that could not be built, which and why.

    Raises:
        ModelError: the bundle is not complete.
        KeyboardInterrupt: `progress` was cancelled.
    """
    manifest = load_bundle(folder).manifest
    if not sizes and manifest.qualification is not None:
        sizes = [(size.width_px, size.height_px) for size in manifest.qualification.sizes]
    plans: list[Plan] = []
    refused = []
    for target in targets:
        for precision in manifest.models:
            if precision == "bf16":
                continue  # what TensorRT makes of the same file is its fp32 and fp16
            try:
                plans += build_for_bundle(folder, target, [precision], sizes, progress=progress)
            except ModelError as error:
                refused.append(f"{precision} for {target}: {error}")
    return plans, refused
