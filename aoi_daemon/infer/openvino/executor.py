"""OpenVINO at batch 1, on the CPU or on an Intel GPU or NPU.

Process: inspection. Blocks: in the run, without the interpreter's lock. Memory:
frames are read in place.

A run is ended between two nodes of the graph, never inside one: a single node
that hangs is the supervisor's to find (`supervisor.hang_ms`).
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Decoder, Detections, FrameShape, TensorInfo, check_model, outputs_of
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.watchdog import Watchdog

Precision = Literal["fp32", "bf16", "fp16", "int8"]
_HINTS: Final[dict[Precision, str]] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""INFERENCE_PRECISION_HINT by precision; of int8 it is what the layers that are not quantised run in."""


class OpenVinoExecutor:
    """One ONNX file on one device of OpenVINO's; see `Executor`."""

    def __init__(
        self, file: Path, manifest: Manifest, shape: FrameShape, *, precision: Precision, device: str = "cpu",
        threads: int = 2,
    ) -> None:  # fmt: skip
        """Load `file`, hold it against the manifest and the recipe's frame, and compile it.

        Args:
            file: the ONNX file, all in one (no external data).
            manifest: the bundle's.
            shape: the recipe's frame; other sizes are compiled when they first come.
            precision: that the model runs in.
            device: `cpu`, `gpu`, `npu`, or one of several as `gpu.1`.
            threads: of the CPU, how many work on one frame.

        Raises:
            ModelError: the file is missing, damaged, not this contract; or the device or its precision is not there.
        """
        self.has_template = manifest.has_template
        self.decoder: Decoder = decoder_for(manifest)
        self.notes: list[str] = []
        self._file, self._manifest = file, manifest
        self._device = device.upper()
        self._options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1",
        }  # fmt: skip
        if self._device == "CPU":
            self._options["INFERENCE_NUM_THREADS"] = str(threads)
        self.name = f"openvino {device}, {precision}, {threads} threads, {file.name}"
        check_file(file, manifest, shape)
        self._core = _core()
        self._requests: dict[FrameShape, Any] = {shape: self._compiled(shape)}
        self._running: Any = None
        self._struck = False
        self._watchdog = Watchdog(self._strike)

    def infer(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int) -> Detections:
        """Run the model on one frame; see `Executor.infer`."""
        request = self._requests.get(image.shape)
        if request is None:
            request = self._requests[image.shape] = self._compiled(image.shape)
        feed = {"image": image[None]}
        if self.has_template:
            if template is None or template.shape != image.shape or template.dtype != np.uint8:
                found = "missing" if template is None else f"{template.dtype} {template.shape}"
                raise InferenceError(f"the template is {found}; expected uint8 {image.shape}")
            feed["template"] = template[None]
        if deadline_ns != NO_DEADLINE and deadline_ns <= time.monotonic_ns():
            raise InferenceTimeoutError("no time was left to begin with")
        self._struck, self._running = False, request
        if deadline_ns != NO_DEADLINE:
            self._watchdog.arm(deadline_ns)
        try:
            request.infer(feed, share_inputs=True, share_outputs=True)
            outputs = [request.get_tensor(tensor.name).data for tensor in outputs_of(self._manifest)]
        except Exception as error:
            if self._struck:
                raise InferenceTimeoutError("the part's time ran out inside the model") from error
            raise InferenceError(f"{self.name}: {error}") from error
        finally:
            self._watchdog.disarm()
        return self.decoder.decode(outputs, image.shape)

    def close(self) -> None:
        """End the threads and free the model; may be called twice."""
        self._watchdog.close()
        self._requests.clear()

    def __enter__(self) -> OpenVinoExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _strike(self) -> None:
        self._struck = True
        self._running.cancel()

    def _compiled(self, shape: FrameShape) -> Any:
        try:
            model = self._core.read_model(self._file)
            check_model(self._file, _infos(model.inputs), _infos(model.outputs), self._manifest, shape)
            model.reshape({tensor.any_name: [1, *shape] for tensor in model.inputs})
            compiled = self._core.compile_model(model, self._device, self._options)
            return compiled.create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"{self._file}: OpenVINO does not take it: {error}") from error


def _core() -> Any:
    import openvino  # noqa: PLC0415

    return openvino.Core()


def _infos(tensors: Any) -> list[TensorInfo]:
    """Inputs or outputs of a model, told in our words."""
    return [
        TensorInfo(
            tensor.any_name, np.dtype(tensor.element_type.to_dtype()).name,
            tuple(size.get_length() if size.is_static else None for size in tensor.partial_shape),
        )
        for tensor in tensors
    ]  # fmt: skip
