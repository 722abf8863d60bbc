"""OpenVINO at batch 1, on the CPU or on an Intel GPU or NPU.

Process: inspection. Blocks: in the run, without the interpreter's lock. Memory:
frames are read in place; what the model puts out is read where OpenVINO has it.

A run is ended between two nodes of the graph, never inside one: a single node
that hangs is the supervisor's to find (`supervisor.hang_ms`).
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.precision import Precision
from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import InferenceError, InferenceTimeoutError
from aoi_daemon.infer.decode.decode import decoder_for
from aoi_daemon.infer.executor import NO_DEADLINE, Decoder, Detections, FrameShape
from aoi_daemon.infer.exports import check_file
from aoi_daemon.infer.openvino.compiled import Compiled, Device
from aoi_daemon.infer.openvino.vendor import openvino, said
from aoi_daemon.infer.watchdog import Watchdog

_AGAIN_MS: Final = 2.0
"""A cancel that comes before the run has begun is forgotten: it is said again."""
_MOST_SIZES: Final = 8
"""Compiled at a time beside the recipe's: golden parts and qualification boards may be of many."""


class OpenVinoExecutor:
    """One ONNX file on one device of OpenVINO's; see `Executor`."""

    def __init__(
        self, file: Path, manifest: Manifest, shape: FrameShape, *, precision: Precision, device: str = "cpu",
        threads: int = 2, kept_in: Path | None = None,
    ) -> None:  # fmt: skip
        """Load `file`, hold it against the manifest and the recipe's frame, and compile it.

        Args:
            file: the ONNX file, all in one (no external data).
            manifest: the bundle's.
            shape: the recipe's frame; other sizes are compiled when they first come.
            precision: that the model runs in.
            device: `cpu`, `gpu`, `npu`, or one of several as `gpu.1`.
            threads: of the CPU, how many work on one frame.
            kept_in: the folder that compiled models are kept in; None: none is.

        Raises:
            ModelError: the file is missing, damaged, not this contract; or the device or its precision is not there.
        """
        self.has_template = manifest.has_template
        self.decoder: Decoder = decoder_for(manifest)
        check_file(file, manifest, shape)
        self._file, self._manifest, self._shape, self._kept_in = file, manifest, shape, kept_in
        self._device: Device | None = Device(device, precision, threads)
        self._tensor = openvino().Tensor
        on = f"{device}, {threads} threads" if device.startswith("cpu") else device
        self.name = f"openvino {self._device.version} {on}, {precision}, {file.name}"
        self.notes: list[str] = list(self._device.notes)
        self._compiled: dict[FrameShape, Compiled] = {}
        self._copies: dict[int, NDArray[np.uint8]] = {}  # by the place of their input
        self._running = self._opened(shape)
        self._struck = False
        self._watchdog = Watchdog(self._strike, again_ms=_AGAIN_MS)

    def infer(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None, deadline_ns: int) -> Detections:
        """Run the model on one frame; see `Executor.infer`."""
        compiled = self._running = self._fed(image, template)
        request = compiled.request
        self._struck = False
        if deadline_ns != NO_DEADLINE:
            if deadline_ns <= time.monotonic_ns():
                raise InferenceTimeoutError("no time was left to begin with")
            self._watchdog.arm(deadline_ns)
        try:
            # Shared: no copy of outputs for an answer that nobody takes.
            request.infer(None, share_outputs=True, decode_strings=False)
            outputs = [request.get_output_tensor(place).data for place in compiled.outputs]
        except Exception as error:
            if self._struck:
                raise InferenceTimeoutError("the part's time ran out inside the model") from error
            raise InferenceError(f"{self.name}: {said(error)}") from error
        finally:
            self._watchdog.disarm()
        return self.decoder.decode(outputs, image.shape)

    def close(self) -> None:
        """End the threads and free the model; may be called twice."""
        self._watchdog.close()
        self._compiled.clear()
        self._copies.clear()
        self._device = None
        self._running = None  # type: ignore[assignment]  # the last one that holds a request

    def __enter__(self) -> OpenVinoExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _strike(self) -> None:
        # Set before the run is ended: whoever sees it end sees why.
        self._struck = True
        self._running.request.cancel()

    def _fed(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None) -> Compiled:
        """The model for frames of this size, with its inputs set."""
        if self._device is None:
            raise InferenceError(f"{self.name}: is closed")
        if image.ndim != 3 or image.dtype != np.uint8 or image.shape[2] != self._manifest.channels:
            expected = f"uint8 (height, width, {self._manifest.channels})"
            raise InferenceError(f"the frame is {image.dtype} {image.shape}; expected {expected}")
        compiled = self._compiled.get(image.shape) or self._opened(image.shape)
        request = compiled.request
        self._set(request, compiled.inputs[0], image)
        if self.has_template:
            if template is None or template.shape != image.shape or template.dtype != np.uint8:
                found = "missing" if template is None else f"{template.dtype} {template.shape}"
                raise InferenceError(f"the template is {found}; expected uint8 {image.shape}")
            self._set(request, compiled.inputs[1], template)
        return compiled

    def _set(self, request: Any, place: int, pixels: NDArray[np.uint8]) -> None:
        """Let the input `place` read `pixels` in place; a copy where OpenVINO takes none: read-only, or a cut-out."""
        if not (pixels.flags.writeable and pixels.flags.c_contiguous):
            # The tensor does not keep the memory that it reads; that of `pixels` is the caller's to keep.
            pixels = self._copies[place] = pixels.copy(order="C")
        request.set_input_tensor(place, self._tensor(pixels[None], shared_memory=True))

    def _opened(self, shape: FrameShape) -> Compiled:
        """Compile the model for frames of `shape`. Raises ModelError."""
        assert self._device is not None
        others = [each for each in self._compiled if each != self._shape]
        if len(others) >= _MOST_SIZES:
            del self._compiled[others[0]]
        found, note = self._device.open(self._file, self._manifest, shape, self._kept_in)
        self._compiled[shape] = found
        if note:
            self.notes.append(note)
        return found
