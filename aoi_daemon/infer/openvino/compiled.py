"""An ONNX file, compiled for one device and one frame size, or read back as it was compiled before.

Process: inspection, or a command; before READY, but for a size that comes later. Blocks: for tenths of a second.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.executor import FrameShape, TensorInfo, check_model, outputs_of
from aoi_daemon.infer.openvino import rules
from aoi_daemon.infer.openvino.blobs import Key, drop_blob, keep_blob, read_blob
from aoi_daemon.infer.openvino.vendor import core, openvino, said

_CPUINFO: Final = Path("/proc/cpuinfo")


class Compiled(NamedTuple):
    """A model that runs. `inputs` and `outputs`: their places, image before template, and as `outputs_of` has them."""

    request: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class Device:
    """One device of OpenVINO's, and what it is asked for."""

    def __init__(self, name: str, precision: Precision, threads: int) -> None:
        """Look whether the device and its precision are there.

        Args:
            name: `cpu`, `gpu`, `npu`, or one of several as `gpu.1`.
            precision: that models run in.
            threads: of the CPU, how many work on one frame.

        Raises:
            ModelError: OpenVINO, the device or its precision is not there; with what is, and the remedy.
        """
        self._openvino = openvino()
        self._core = core()
        self.name = name
        self.version: str = self._openvino.__version__.partition("-")[0]
        self.precision = precision
        self._device = name.upper()
        # To list devices loads the driver of each GPU and NPU: one that hangs must not take a line on the CPU with it.
        if self._device != "CPU" and (problem := rules.device_problem(self._device, self._core.available_devices)):
            raise ModelError(problem)
        try:
            capabilities = list(map(str, self._core.get_property(self._device, "OPTIMIZATION_CAPABILITIES")))
            self._known = set(self._core.get_property(self._device, "SUPPORTED_PROPERTIES"))
        except RuntimeError as error:
            raise ModelError(f"inspection.device = {name!r}: its driver does not answer: {said(error)}") from error
        if problem := rules.precision_problem(name, precision, capabilities):
            raise ModelError(problem)
        flags = rules.cpu_flags(_cpuinfo()) if self._device == "CPU" else frozenset()
        self._hint = rules.hint_of(precision, capabilities)
        self._machine = self._described(capabilities, flags)
        self.notes = rules.notes_of(self._device, precision, self._hint, flags)
        wanted = {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(threads),
            # A pinned thread waits where the kernel has put it while plc, which goes first, is on that core.
            "ENABLE_CPU_PINNING": "NO",
            # Else products with quantised weights would be computed with quantised values too, unasked.
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        }  # fmt: skip
        self.options = {"INFERENCE_PRECISION_HINT": self._hint} | {k: v for k, v in wanted.items() if k in self._known}

    def open(self, file: Path, manifest: Manifest, shape: FrameShape, kept_in: Path | None) -> tuple[Compiled, str]:
        """Read `file` back as it was compiled before, or compile it; and what a person should know of that.

        Args:
            file: the ONNX file, all in one (no external data).
            manifest: the bundle's.
            shape: of the frames.
            kept_in: the folder that compiled models are kept in; None: none is.

        Raises:
            ModelError: the file is missing, damaged or not this contract, or the device does not take it.
        """
        # Read once: what is kept must be of the bytes that its hash is of.
        onnx = _bytes(file)
        if kept_in is None:
            return self._compiled(file, onnx, manifest, shape)[0], ""
        key = Key(
            onnx_sha256=hashlib.sha256(onnx).hexdigest(), openvino=self._openvino.__version__, device=self._device,
            machine=self._machine, precision=self.precision, shape=shape, options=self.options,
        )  # fmt: skip
        blob, why = read_blob(kept_in, key)
        if blob is not None:
            try:
                model = self._core.import_model(io.BytesIO(blob), self._device, self.options)
                return self._ready(file, model, manifest), ""
            except (RuntimeError, ModelError) as error:
                drop_blob(kept_in, key)
                why = f"{kept_in / key.file_name}: OpenVINO does not take it back ({said(error)})"
        compiled, model = self._compiled(file, onnx, manifest, shape)
        try:
            exported = model.export_model()
        except RuntimeError as error:
            return compiled, f"{self.name}: a compiled model cannot be kept ({said(error)})"
        blob = exported if isinstance(exported, bytes) else exported.getvalue()
        note = keep_blob(kept_in, key, blob)
        return compiled, note or (why and f"{why}; compiled anew")

    def _compiled(self, file: Path, onnx: bytes, manifest: Manifest, shape: FrameShape) -> tuple[Compiled, Any]:
        model = _read(file, onnx, manifest, shape)
        try:
            compiled = self._core.compile_model(model, self._device, self.options)
        except RuntimeError as error:
            raise ModelError(f"{file}: OpenVINO does not take it on {self.name}: {said(error)}") from error
        return self._ready(file, compiled, manifest), compiled

    def _ready(self, file: Path, compiled: Any, manifest: Manifest) -> Compiled:
        """Hold what was compiled against what was asked for."""
        try:
            runs = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
            request = compiled.create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"{file}: OpenVINO does not run it on {self.name}: {said(error)}") from error
        if problem := rules.other_precision(self.name, self.precision, self._hint, runs):
            raise ModelError(problem)
        wanted = _names(manifest)
        inputs, outputs = ([_name(t, wanted) for t in tensors] for tensors in (compiled.inputs, compiled.outputs))
        ours = [tensor.name for tensor in outputs_of(manifest)]
        if not set(wanted) <= {*inputs, *outputs}:
            raise ModelError(f"{file}: compiled, it has inputs {inputs} and outputs {outputs}; expected {wanted}")
        images = [name for name in wanted if name not in ours]
        return Compiled(request, tuple(map(inputs.index, images)), tuple(map(outputs.index, ours)))

    def _described(self, capabilities: list[str], flags: frozenset[str]) -> str:
        """What a compiled model depends on of this machine, as text."""
        asked = ["FULL_DEVICE_NAME", "DEVICE_ARCHITECTURE", *sorted(k for k in self._known if "DRIVER_VERSION" in k)]
        told = [str(self._core.get_property(self._device, name)) for name in asked if name in self._known]
        sets = hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest()[:16] if flags else ""
        return ", ".join([*told, *sorted(capabilities), *([f"instructions {sets}"] if sets else [])])


def read_model(file: Path, manifest: Manifest, shape: FrameShape) -> None:
    """Read `file` for frames of `shape`, compile it for nothing, and let it go. Raises ModelError."""
    _read(file, _bytes(file), manifest, shape)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error


def _read(file: Path, onnx: bytes, manifest: Manifest, shape: FrameShape) -> Any:
    try:
        model = core().read_model(onnx)
    except RuntimeError as error:
        raise ModelError(f"{file}: OpenVINO does not take it: {said(error)}") from error
    wanted = _names(manifest)
    check_model(file, _infos(model.inputs, wanted), _infos(model.outputs, wanted), manifest, shape)
    try:
        model.reshape({tensor.any_name: [1, *shape] for tensor in model.inputs})
    except RuntimeError as error:
        size = f"{shape[1]} x {shape[0]} px"
        raise ModelError(f"{file}: OpenVINO does not take it for frames of {size}: {said(error)}") from error
    return model


def _cpuinfo() -> str:
    """What the kernel tells of the CPU; "" in a sandbox that hides it."""
    try:
        return _CPUINFO.read_text(errors="replace")
    except OSError:
        return ""


def _names(manifest: Manifest) -> tuple[str, ...]:
    """Of the inputs and outputs that a model of the manifest's has, image before template."""
    inputs = ("image", "template") if manifest.has_template else ("image",)
    return (*inputs, *(tensor.name for tensor in outputs_of(manifest)))


def _name(tensor: Any, wanted: Collection[str]) -> str:
    """A tensor has the names of all nodes that OpenVINO has made one; the contract's counts."""
    return str(next((name for name in tensor.names if name in wanted), tensor.any_name))


def _infos(tensors: Any, wanted: Collection[str]) -> list[TensorInfo]:
    """Inputs or outputs of a model, told in our words."""
    return [
        TensorInfo(
            _name(tensor, wanted), np.dtype(tensor.element_type.to_dtype()).name,
            tuple(size.get_length() if size.is_static else None for size in tensor.partial_shape),
        )
        for tensor in tensors
    ]  # fmt: skip
