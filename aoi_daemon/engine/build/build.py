"""Build a TensorRT plan from an ONNX file: TensorRT 8.6 to 11, or TensorRT-RTX.

Process: offline. Blocks for seconds (RTX) to many minutes (TensorRT times every
kernel). GPU: TensorRT builds on the one that will run the plan; RTX needs none,
it is told the target.

Every refusal of the builder is a return value (None, -1, False); each is looked
at, and raised with what the logger says.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.engine.build.arguments import SizePx
from aoi_daemon.engine.build.convert import to_fp16, to_int8
from aoi_daemon.engine.build.network import Parsed, parse, set_precision
from aoi_daemon.engine.build.peaks import add_peaks
from aoi_daemon.engine.build.plan import engine_types
from aoi_daemon.engine.build.progress import Progress, make_monitor
from aoi_daemon.engine.build.shapes import Profile, exact, profiles_for
from aoi_daemon.engine.build.target import (
    choose_target,
    find_gpu,
    load_timing_cache,
    on_gpu,
    save_timing_cache,
    set_target,
)
from aoi_daemon.engine.build.tuning import NO_TUNING, Tuning, apply_tuning, check_tuning
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.trt.plan import Plan, PlanManifest, Precision
from aoi_daemon.infer.trt.vendor import Vendor, load_vendor


@dataclass(frozen=True)
class Order:
    """What is to be built, and into which file."""

    onnx: Path
    file: Path
    precision: Precision
    sizes: Sequence[SizePx] = ()
    shapes: Sequence[Profile] = ()
    workspace_mb: int = 1024
    target: str | None = None
    """One of TARGETS; None: the GPU of this machine."""
    device: int = 0
    calibration: Path | None = None
    """Frames that set INT8's ranges, where the file has none."""
    timing_cache: Path | None = None
    tuning: Tuning = NO_TUNING
    manifest: Manifest | None = None
    """Of the bundle, whose task may have peaks; None: a model of no bundle gets none."""


def build_plan(order: Order, progress: Progress | None = None) -> Plan:
    """Build, and prove that what came out is what was asked for. Nothing is written but caches.

    Raises:
        ModelError: the file, the order or the builder does not allow it; with the reason.
        KeyboardInterrupt: `progress` was cancelled.
    """
    begun = time.monotonic()
    progress = progress or Progress()
    vendor = load_vendor()
    vendor.logger.take()  # what it said of an earlier build is not this one's reason
    gpu = find_gpu(order.device)
    target = choose_target(vendor, order.target, gpu)
    check_tuning(order.tuning, vendor, target, order.onnx)
    try:
        model = order.onnx.read_bytes()
    except OSError as error:
        raise ModelError(f"{order.onnx}: cannot be read: {error.strerror}") from error
    with on_gpu(order.device, gpu), ExitStack() as held:
        parsed, converted = _converted(vendor, order, parse(vendor, model, str(order.onnx)), progress)
        work = _Work(vendor, order, parsed, progress)
        content = work.build(target, held)
        # A network says what it was to be; the engine, where it can be opened, what it is.
        own = replace(vendor, host_code=order.tuning.version_compatible)
        types = engine_types(own, content) if gpu is not None and gpu.target == target else {}
    manifest = PlanManifest(
        plan=order.file.name,
        sha256=hashlib.sha256(content).hexdigest(),
        onnx=order.onnx.name,
        onnx_sha256=hashlib.sha256(model).hexdigest(),
        precision=order.precision,
        flavour=vendor.flavour,
        flavour_version=vendor.version,
        target=target,
        gpu=None if vendor.is_rtx or gpu is None else gpu.name,
        profiles=tuple(work.profiles),
        inputs={t.name: tuple(-1 if n is None else n for n in t.shape) for t in parsed.inputs},
        types=types or parsed.types,
        types_from="engine" if types else "network",
        workspace_mb=order.workspace_mb,
        build_s=round(time.monotonic() - begun, 3),
        calibration=work.calibration,
        converted=converted,
        **asdict(order.tuning),
    )
    return Plan(order.file, manifest, content)


class _Work:
    """One run of the builder. What TensorRT holds a pointer to is kept here until it is done."""

    def __init__(self, vendor: Vendor, order: Order, parsed: Parsed, progress: Progress) -> None:
        self.vendor = vendor
        self.order = order
        self.parsed = parsed
        self.progress = progress
        self.profiles = profiles_for(parsed.inputs, order.sizes, order.shapes)
        self.calibration: str | None = None
        self.peaks: list[Any] = []
        self._monitor = make_monitor(vendor, progress)

    def build(self, target: str, held: ExitStack) -> bytes:
        """The plan. `held` closes what a calibrator took."""
        vendor, order = self.vendor, self.order
        api = vendor.api
        config = self.parsed.builder.create_builder_config()
        config.set_memory_pool_limit(api.MemoryPoolType.WORKSPACE, order.workspace_mb << 20)
        # One stream: nothing of a part runs beside itself, and a graph captures all of it.
        config.max_aux_streams = 0
        # The inspector tells a layer's types only then.
        config.profiling_verbosity = api.ProfilingVerbosity.DETAILED
        if self._monitor is not None:
            config.progress_monitor = self._monitor
        set_target(vendor, config, target)
        for number, profile in enumerate(self.profiles):
            if config.add_optimization_profile(self._profile(profile)) != number:
                raise vendor.refusal(f"{order.onnx}: profile {number} ({profile})")
        apply_tuning(order.tuning, vendor, config)
        set_precision(vendor, self.parsed, config, order.precision, order.onnx)
        if order.manifest is not None:
            self.peaks = add_peaks(vendor, self.parsed.network, config, order.manifest)
        calibrator = self._calibrator(config, held)
        load_timing_cache(vendor, config, order.timing_cache)
        content = self.parsed.builder.build_serialized_network(self.parsed.network, config)
        if calibrator is not None and calibrator.error is not None:
            raise ModelError(f"{order.calibration}: {calibrator.error}") from calibrator.error
        if content is None:
            if self.progress.cancelled:
                raise KeyboardInterrupt
            raise vendor.refusal(
                f"{order.onnx}: cannot be built as {order.precision} for {target}{_hint(vendor, order)}"
            )
        save_timing_cache(vendor, config, order.timing_cache)
        return bytes(content)

    def _profile(self, sizes_by_name: Profile) -> Any:
        profile = self.parsed.builder.create_optimization_profile()
        for name, sizes in sizes_by_name.items():
            profile.set_shape(name, sizes.min, sizes.opt, sizes.max)
        return profile

    def _calibrator(self, config: Any, held: ExitStack) -> Any | None:
        """TensorRT's own calibration where ranges are still missing: weak typing, INT8, no Q/DQ."""
        order, parsed = self.order, self.parsed
        if order.precision != "int8" or parsed.precision == "int8" or order.calibration is None:
            return None
        # Only here: with Q/DQ the builder needs no pycuda.
        from aoi_daemon.engine.build.calibrator import calibration_frames, make_calibrator  # noqa: PLC0415
        from aoi_daemon.infer.trt.cuda import CudaDevice  # noqa: PLC0415

        frames = calibration_frames(order.onnx, parsed.inputs, order.calibration)
        device = CudaDevice(order.device)
        held.callback(device.close)
        first = {name: exact(sizes.opt) for name, sizes in self.profiles[0].items()} if self.profiles else None
        if first is not None and not config.set_calibration_profile(self._profile(first)):
            raise self.vendor.refusal(f"{order.onnx}: calibration profile")
        calibrator = make_calibrator(self.vendor, device, parsed.inputs, frames, profile=first, cache=order.file)
        config.int8_calibrator = calibrator
        self.calibration = f"IInt8EntropyCalibrator2, {len(frames)} frames of {order.calibration.name}"
        return calibrator


def _converted(vendor: Vendor, order: Order, parsed: Parsed, progress: Progress) -> tuple[Parsed, str | None]:
    """The network in the precision asked for, where the file is FP32 and the file alone decides."""
    if parsed.precision != "fp32" or order.precision == "fp32":
        return parsed, None
    if order.precision == "int8" and order.calibration is None:
        raise ModelError(
            f"{order.onnx}: is fp32; for INT8 give a file with Q/DQ (aoi-daemon bundle make), or --calib-dir"
        )
    if not vendor.strongly_typed:
        return parsed, None
    if order.precision == "fp16":
        return parse(vendor, to_fp16(order.onnx), str(order.onnx)), "to FP16, stem and tail kept"
    assert order.calibration is not None
    phase, count = "calibration", itertools.count(1)
    progress.start(phase, None, 0)
    quantised = to_int8(order.onnx, parsed.inputs, order.calibration, lambda: progress.step(phase, next(count)))
    progress.finish(phase)
    return parse(vendor, quantised, str(order.onnx)), f"to INT8 with Q/DQ, entropy ranges of {order.calibration.name}"


def _hint(vendor: Vendor, order: Order) -> str:
    """What the builder's own words do not say; found by trying 1.4 to 1.7."""
    if vendor.is_rtx and order.precision == "int8" and vendor.numbers < (1, 7):
        return " (TensorRT-RTX builds quantised convolutions from 1.7 on)"
    return ""
