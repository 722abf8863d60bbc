"""What this machine runs models with: asked anew for each measurement, and told apart by a key that is quick to make.

Process: inspection at its start, and commands. Blocks: in the processes that ask the drivers, which are given their
time; the key reads small files alone, for a start after a crash waits for it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aoi_daemon.config.fit import EXACT, Fit
from aoi_daemon.config.precision import PRECISIONS
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.open import fitting
from aoi_daemon.infer.openvino.devices import INSTALL, installed
from aoi_daemon.infer.trt.plan import ENGINES, SIDECAR, choose_plan, golden_shapes
from aoi_daemon.inspection.auto.candidates import Machine

_PACKAGES: Final = ("aoi-daemon", "onnxruntime", "openvino", "tensorrt", "tensorrt-rtx", "pycuda", "numpy")
_DRIVERS: Final = ("/proc/driver/nvidia/version", "/sys/module/i915/version", "/sys/module/intel_vpu/version")
_DEVICES: Final = ("/dev/dri", "/dev/accel", "/proc/driver/nvidia/gpus")


def this_machine(
    bundle: Bundle, section: InspectionSection, shape: FrameShape, ask: Callable[[], Mapping[str, Any] | str],
    fit: Fit = EXACT,
) -> Machine:  # fmt: skip
    """What there is for `bundle` and frames of `shape`.

    Args:
        bundle: whose engines are looked at.
        section: whose back end is `auto`.
        shape: of the frames.
        ask: OpenVINO's devices, by a process of its own; or why it does not say.
        fit: of the recipe.

    Raises:
        ModelError: the fit does not come out with the model.
    """
    plan = fitting(bundle, section, shape, fit)
    plans = _plans(bundle, section, shape if plan is None else plan.model)
    if not installed():
        return Machine(INSTALL, {}, plans)
    said = ask()
    if isinstance(said, str):
        # A driver of a GPU may keep it from saying; whether it runs on the processor, its trials say.
        return Machine("", {"cpu": frozenset(PRECISIONS)}, plans, f"OpenVINO did not say: {said}")
    return Machine("", {name: frozenset(precisions) for name, precisions in said.items()}, plans)


def _plans(bundle: Bundle, section: InspectionSection, shape: FrameShape) -> dict[str, str]:
    """By precision why no engine of TensorRT fits; "" one does; by `*` why there is none at all."""
    from aoi_daemon.infer.trt.machine import this_machine as gpu_machine  # noqa: PLC0415

    if not any((bundle.folder / ENGINES).glob("*")):
        return {"*": "the bundle has no engine: aoi-daemon build-engine builds one"}
    try:
        machine = gpu_machine(section.gpu)
    except ModelError as error:
        return {"*": str(error)}
    if isinstance(machine, str):
        return {"*": machine}
    found: dict[str, str] = {}
    for precision in PRECISIONS:
        try:
            asked: Any = precision
            choose_plan(bundle, asked, [shape, *golden_shapes(bundle)], machine)
            found[precision] = ""
        except ModelError as error:
            found[precision] = str(error)
    return found


def key(bundle: Bundle, section: InspectionSection, shape: FrameShape, fit: Fit = EXACT) -> str:
    """What one measurement is good for, as a hash: bundle, frame, section, processor, devices, drivers, packages."""
    facts = {
        "bundle": bundle.hash,
        "shape": shape,
        **({} if fit == EXACT else {"fit": fit.model_dump(mode="json")}),
        "section": section.model_dump(mode="json"),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "drivers": [_read(Path(file)) for file in _DRIVERS],
        "devices": [name for folder in _DEVICES for name in _names(Path(folder))],
        "engines": [f"{file.name} {_read(file)}" for file in sorted((bundle.folder / ENGINES).glob(f"*{SIDECAR}"))],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _processor() -> str:
    """Its model and what it can do: a virtual machine's name may stay while it is moved to another."""
    lines = _read(Path("/proc/cpuinfo")).partition("\n\n")[0].splitlines()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in lines if line.startswith(wanted))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


def _names(folder: Path) -> list[str]:
    try:
        return sorted(each.name for each in folder.iterdir())
    except OSError:
        return []
