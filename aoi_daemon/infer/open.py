"""Open the executor that [inspection] names, for the line and for every command: one way, so that both judge alike.

Process: inspection, or a command. Thread: the one that will call `infer`. Packages are imported where they are used
alone: a line on the CPU loads no CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import Executor, FrameShape

_GPU_WARM_UP_RUNS: Final = 200


def open_executor(
    bundle: Bundle, section: InspectionSection, shape: FrameShape, *,
    pinned: Sequence[NDArray[np.uint8]] = (), golden: bool = False,
) -> Executor:  # fmt: skip
    """The back end that `section` names, with the bundle's model of its precision.

    Args:
        bundle: whose model runs.
        section: its `backend` and `precision` are names, not `auto`: who measures opens each by its name.
        shape: of the frames.
        pinned: the memory that frames are read from.
        golden: the bundle's golden parts will be judged as well, whatever their size.

    Raises:
        ModelError: what it names is not there, or does not take the model.
    """
    if section.backend == "tensorrt":
        return _tensorrt(bundle, section, shape, pinned, golden=golden)
    if section.precision == "auto":
        raise ModelError("inspection.precision = 'auto' needs inspection.backend = 'auto'")
    model = bundle.model_path(section.precision)
    if section.backend == "openvino":
        from aoi_daemon.infer.openvino.blobs import folder_of  # noqa: PLC0415
        from aoi_daemon.infer.openvino.executor import OpenVinoExecutor  # noqa: PLC0415

        return OpenVinoExecutor(
            model, bundle.manifest, shape, precision=section.precision, device=str(section.device or "cpu"),
            threads=section.threads, kept_in=folder_of(bundle.folder, bundle.manifest.name),
        )  # fmt: skip
    from aoi_daemon.infer.onnx.executor import OnnxExecutor  # noqa: PLC0415

    return OnnxExecutor(model, bundle.manifest, threads=section.threads)


def _tensorrt(
    bundle: Bundle, section: InspectionSection, shape: FrameShape, pinned: Sequence[NDArray[np.uint8]], *, golden: bool
) -> Executor:
    from aoi_daemon.infer.trt.open import open_executor as open_tensorrt  # noqa: PLC0415
    from aoi_daemon.infer.trt.plan import golden_shapes  # noqa: PLC0415

    precision: Any = section.precision
    return open_tensorrt(
        bundle, precision, [shape, *(golden_shapes(bundle) if golden else ())], device=section.gpu, wait=section.wait,
        cuda_graph=section.cuda_graph, warm_up_runs=max(_GPU_WARM_UP_RUNS, section.warm_up_runs), pinned=pinned,
    )  # fmt: skip
