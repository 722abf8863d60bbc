"""ONNX Runtime on the CPU: the embedded back end, and the one that accuracy is qualified with.

Process: inspection. Blocks: in the run, without the interpreter's lock. Memory:
frames are read in place; ONNX Runtime's own arena is filled by the warm-up.

A run is ended between two nodes of the graph, never inside one: a single node
that hangs is the supervisor's to find (`supervisor.hang_ms`).
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, InferenceTimeoutError, ModelError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Decoder, Detections, FrameShape, TensorInfo, check_model, outputs_of
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.onnx.file import has_half_scales
from aoi_daemon.infer.watchdog import Watchdog

_FATAL_ALONE: Final = 4
"""What fails is raised; ONNX Runtime would print it as well."""
_DTYPES: Final = {"float": "float32", "double": "float64"}
"""ONNX Runtime's names that are not numpy's."""


class OnnxExecutor:
    """One ONNX file on the CPU; see `Executor`."""

    def __init__(self, file: Path, manifest: Manifest, *, threads: int, shape: FrameShape | None = None) -> None:
        """Load `file` and hold it against the manifest and the recipe's frame.

        Args:
            file: the ONNX file, all in one (no external data).
            manifest: the bundle's.
            threads: how many work on one frame, this one among them.
            shape: the recipe's frame; None: frames of any size that the model takes.

        Raises:
            ModelError: the file is missing, damaged, no ONNX, or not this contract.
        """
        self.has_template = manifest.has_template
        self.decoder: Decoder = decoder_for(manifest)
        self.name = f"onnxruntime {ort.__version__} cpu, {threads} threads, {file.name}"
        self.notes: list[str] = []
        self._shape = shape
        check_file(file, manifest, shape)
        self._session = _open(file, threads)
        check_model(file, _infos(self._session.get_inputs()), _infos(self._session.get_outputs()), manifest, shape)
        self._outputs = [tensor.name for tensor in outputs_of(manifest)]
        self._options = ort.RunOptions()
        self._options.log_severity_level = _FATAL_ALONE
        self._struck = False
        self._watchdog = Watchdog(self._strike)

    def infer(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int) -> Detections:
        """Run the model on one frame; see `Executor.infer`."""
        feed = self._feed(image, template)
        self._struck = self._options.terminate = False
        if deadline_ns != NO_DEADLINE:
            if deadline_ns <= time.monotonic_ns():
                raise InferenceTimeoutError("no time was left to begin with")
            self._watchdog.arm(deadline_ns)
        try:
            outputs = self._session.run(self._outputs, feed, self._options)
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
        self._session = None

    def __enter__(self) -> OnnxExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _strike(self) -> None:
        # Set before the flag that ends the run: whoever sees the run end sees why.
        self._struck = True
        self._options.terminate = True

    def _feed(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None) -> dict[str, Any]:
        if self._session is None:
            raise InferenceError(f"{self.name}: is closed")
        shape = self._shape or image.shape
        if image.shape != shape or image.dtype != np.uint8:
            raise InferenceError(f"the frame is {image.dtype} {image.shape}; expected uint8 {shape}")
        if not self.has_template:
            return {"image": image[None]}
        if template is None or template.shape != shape or template.dtype != np.uint8:
            found = "missing" if template is None else f"{template.dtype} {template.shape}"
            raise InferenceError(f"the template is {found}; expected uint8 {shape}")
        return {"image": image[None], "template": template[None]}


def open_only(file: Path, manifest: Manifest, shape: FrameShape) -> None:
    """Open `file` as ONNX Runtime does, as it is, and let it go: it is not optimised and not run.

    Raises:
        ModelError: ONNX Runtime does not take it, or it is not this contract.
    """
    session = _open(file, 1, optimised=False)
    check_model(file, _infos(session.get_inputs()), _infos(session.get_outputs()), manifest, shape)


def _open(file: Path, threads: int, *, optimised: bool = True) -> Any:
    """An ONNX Runtime session. Raises ModelError naming the file."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL_ALONE
    # Between parts the worker threads would spin for nothing, in SCHED_FIFO until the kernel throttles them: half as
    # much CPU time again and a p99 nearly twice as long, for no gain at the median (decision 46).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        if has_half_scales(file.read_bytes()):
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error.strerror}") from error
    except Exception as error:  # ONNX Runtime's errors have no other base
        raise ModelError(f"{file}: ONNX Runtime does not take it: {error}") from error


def _infos(tensors: Any) -> list[TensorInfo]:
    """Inputs or outputs of a session, told in our words."""
    found = []
    for tensor in tensors:
        name = tensor.type.removeprefix("tensor(").removesuffix(")")
        shape = tuple(size if isinstance(size, int) else None for size in tensor.shape)
        found.append(TensorInfo(tensor.name, _DTYPES.get(name, name), shape))
    return found
