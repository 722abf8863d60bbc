"""Plans (serialized engines) of a bundle, and the proof that one belongs to this machine.

A plan is tied to the TensorRT that wrote it (a version-compatible one: to that and
later ones) and to the GPU it was written for, and TensorRT does not notice a
flipped bit inside one. So each plan has a sidecar, NAME.plan.json, and nothing is
given to TensorRT that it does not vouch for: SHA-256 of the plan and of the ONNX
file it came from, package, version, GPU. Plans lie in the bundle's folder `engines/`; the bundle's manifest does not
name them, because each machine builds its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import Field, Strict, ValidationError

from aoi_daemon.config.section import Section, Sha256
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.trt.driver import Gpu
from aoi_daemon.infer.trt.vendor import Flavour, numbers_of

ENGINES: Final = "engines"
SIDECAR: Final = ".json"
"""Added to the plan's name."""

RUN_BY: Final = {8: (8, 9, 10), 9: (9, 10), 10: (10, 11)}
"""By the major of the TensorRT that built a version-compatible plan: the majors that run it. Of others: their own."""

Precision = Literal["fp32", "fp16", "int8"]
Sizes = Annotated[tuple[int, ...], Strict(False)]


class Range(Section):
    """The sizes of one input that a profile was built for; an exact profile has one size three times."""

    min: Sizes
    opt: Sizes
    max: Sizes


class PlanManifest(Section):
    """The sidecar of a plan."""

    version: Literal[1] = 1
    plan: str = Field(description="The plan's file name, beside this file.")
    sha256: Sha256 = Field(description="The plan's hash.")
    onnx: str = Field(description="The name of the ONNX file it was built from.")
    onnx_sha256: Sha256 = Field(description="That file's hash.")
    precision: Precision
    flavour: Flavour = Field(description="The package that built it, and must run it.")
    flavour_version: str = Field(description="Its version; no other runs it, unless `version_compatible`.")
    target: str = Field(description="Compute capability it was built for, as sm75.")
    gpu: str | None = Field(description="The GPU it was tuned on; null: built for the target with no GPU.")
    profiles: Annotated[tuple[dict[str, Range], ...], Strict(False)] = Field(
        (), description="Input sizes by profile; none: the sizes are fixed."
    )
    inputs: dict[str, Sizes] = Field(description="Sizes of the inputs in the ONNX file, -1 where they vary.")
    types: dict[str, int] = Field(description="Layers by the type of what they put out.")
    types_from: Literal["engine", "network"] = Field(
        description="Where `types` was read: the finished engine (needs a GPU), or the network it was built from."
    )
    workspace_mb: int
    build_s: float
    calibration: str | None = Field(None, description="How a calibrator set INT8 ranges; null: none did.")
    converted: str | None = Field(None, description="What was done to the ONNX file first; null: nothing.")
    sparse_weights: bool = Field(False, description="Whether sparse kernels were allowed.")
    optimization_level: int | None = Field(None, ge=0, le=5, description="The builder's; null: its default.")
    version_compatible: bool = Field(
        False, description="Whether a later TensorRT and the lean runtime run it; it then holds code for the CPU."
    )

    def serves(self, shape: FrameShape) -> bool:
        """Whether a frame of `shape` is one that this plan was built for."""
        frame = (1, *shape)
        if not self.profiles:
            return self.inputs.get("image") == frame
        ranges = [profile["image"] for profile in self.profiles if "image" in profile]
        return any(
            len(r.min) == len(frame) and all(low <= n <= high for low, n, high in zip(r.min, frame, r.max, strict=True))
            for r in ranges
        )


class Plan(NamedTuple):
    """A plan whose file is the one that its sidecar names."""

    file: Path
    manifest: PlanManifest
    content: bytes


class Machine(NamedTuple):
    """What a plan must fit: the package that runs it, and the GPU."""

    flavour: Flavour
    version: str
    gpu: Gpu


def plan_name(precision: Precision, flavour: Flavour, version: str, target: str) -> str:
    """The file name of a plan in a bundle: fp16.tensorrt-10.3.0.sm75.plan."""
    return f"{precision}.{flavour}-{version}.{target}.plan"


def read_plan(file: Path) -> Plan:
    """The plan `file`. Raises ModelError unless plan and sidecar are there and belong together."""
    manifest = read_sidecar(file.with_name(file.name + SIDECAR))
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}; build it again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.sha256:
        raise ModelError(
            f"{file}: has SHA-256 {found} ({len(content)} bytes), its sidecar says {manifest.sha256}; "
            "it is truncated or damaged, build it again"
        )
    return Plan(file, manifest, content)


def read_sidecar(file: Path) -> PlanManifest:
    """The sidecar `file`. Raises ModelError naming it."""
    try:
        return PlanManifest.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}; a plan without it is not used") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'sidecar'}: {p['msg']}" for p in error.errors())
        raise ModelError(f"{file}: {problems}; build the plan again") from error


def misfits(manifest: PlanManifest, machine: Machine) -> list[str]:
    """Why this machine cannot run the plan; empty: it can."""
    found = []
    flavour, version, gpu = machine
    found += _version_misfits(manifest, flavour, version)
    if manifest.target != gpu.target:
        found.append(f"built for {manifest.target}, this GPU ({gpu.name}) is {gpu.target}")
    elif manifest.gpu is not None and manifest.flavour == "tensorrt" and manifest.gpu != gpu.name:
        # TensorRT times kernels on the GPU that it builds on; RTX compiles them where it runs.
        found.append(f"tuned on {manifest.gpu}, this GPU is {gpu.name}")
    return found


def _version_misfits(manifest: PlanManifest, flavour: Flavour, version: str) -> list[str]:
    built = f"built by {manifest.flavour} {manifest.flavour_version}"
    here = f"this machine has {flavour} {version}"
    if not manifest.version_compatible or manifest.flavour != "tensorrt":
        if flavour == "tensorrt_lean":
            return [f"{built} without --version-compatible, {here}, which runs no other"]
        return [] if (manifest.flavour, manifest.flavour_version) == (flavour, version) else [f"{built}, {here}"]
    if flavour == "tensorrt_rtx":
        return [f"{built}, {here}"]
    old, new = numbers_of(manifest.flavour_version), numbers_of(version)
    # NVIDIA's promise is forward alone, and across no more majors than its documents of 10.16 and 11.1 name.
    if old <= new and new[0] in RUN_BY.get(old[0], (old[0],)):
        return []
    return [f"{built}, version-compatible with later ones of {_majors(old[0])}, {here}"]


def _majors(built: int) -> str:
    return " and ".join(map(str, RUN_BY.get(built, (built,))))


def check_plans(bundle: Bundle, precision: Precision, shapes: list[FrameShape]) -> None:
    """What can be known with no GPU: some plan is of this model, precision and frame sizes.

    Raises:
        ModelError: none is; says what there is, and how to build one.
    """
    if not any(all(map(manifest.serves, shapes)) for _, manifest in _of_model(bundle, precision)):
        raise _nothing_fits(bundle, precision, shapes)


def golden_shapes(bundle: Bundle) -> list[FrameShape]:
    """The sizes of the bundle's golden parts, each once: before READY the line proves its engine on them.

    Raises:
        ModelError: one cannot be read.
    """
    shapes = (part.image.shape for part in bundle.golden())
    return list(dict.fromkeys((height, width, channels) for height, width, channels in shapes))


def choose_plan(bundle: Bundle, precision: Precision, shapes: list[FrameShape], machine: Machine) -> Plan:
    """The bundle's plan for `machine` that serves all of `shapes`.

    Raises:
        ModelError: there is none, or it is damaged; says what there is, and how to build one.
    """
    for file, manifest in _of_model(bundle, precision):
        if not misfits(manifest, machine) and all(map(manifest.serves, shapes)):
            return read_plan(file)
    raise _nothing_fits(bundle, precision, shapes, machine)


def _of_model(bundle: Bundle, precision: Precision) -> list[tuple[Path, PlanManifest]]:
    """Plans of the bundle's ONNX file of `precision`, whoever they are for. ModelError on a bad sidecar."""
    onnx_sha256 = _onnx_sha256(bundle, precision)
    return [
        (file, manifest)
        for file, manifest in _plans(bundle)
        if manifest.precision == precision and manifest.onnx_sha256 == onnx_sha256
    ]


def _plans(bundle: Bundle) -> Iterator[tuple[Path, PlanManifest]]:
    for sidecar in sorted((bundle.folder / ENGINES).glob(f"*{SIDECAR}")):
        yield sidecar.with_name(sidecar.name.removesuffix(SIDECAR)), read_sidecar(sidecar)


def _onnx_sha256(bundle: Bundle, precision: Precision) -> str | None:
    return next((model.sha256 for name, model in bundle.manifest.models.items() if name == precision), None)


def _nothing_fits(
    bundle: Bundle, precision: Precision, shapes: list[FrameShape], machine: Machine | None = None
) -> ModelError:
    why = []
    for file, manifest in _plans(bundle):
        reasons = [] if machine is None else misfits(manifest, machine)
        if manifest.precision != precision:
            reasons.append(f"is {manifest.precision}")
        elif manifest.onnx_sha256 != _onnx_sha256(bundle, precision):
            reasons.append("built from another ONNX file")
        reasons += [f"not built for {w} x {h} x {c}" for h, w, c in shapes if not manifest.serves((h, w, c))]
        why.append(f"{file.name}: {', '.join(reasons)}")
    sizes = " ".join(f"{w}x{h}" for h, w, _ in dict.fromkeys(shapes))
    return ModelError(
        f"{bundle.folder / ENGINES}: no {precision} plan fits ({'; '.join(why) or 'there is none'}); "
        f"on this machine: aoi-daemon build-engine --bundle {bundle.folder} --{precision} --size {sizes}"
    )
