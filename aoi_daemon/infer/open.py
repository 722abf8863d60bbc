"""Open the executor that [inspection] names, for the line and for every command: one way, so that both judge alike.

Process: inspection, or a command. Thread: the one that will call `infer`. Packages are imported where they are used
alone: a line on the CPU loads no CUDA.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.fit import Fit
from aoi_daemon.config.schema import InspectionSection
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import Executor, FrameShape
from aoi_daemon.infer.fit.cutting import Cutting
from aoi_daemon.infer.fit.executor import FittedExecutor
from aoi_daemon.infer.fit.geometry import Plan
from aoi_daemon.infer.fit.takes import plan_for

_GPU_WARM_UP_RUNS: Final = 200
_LEAST_SCORE: Final = 0.001
"""Of rows that are joined over a seam, where no recipe says what counts: what is lower is background."""


def open_fitted(
    bundle: Bundle, section: InspectionSection, shape: FrameShape, fit: Fit, *, least_score: float = _LEAST_SCORE,
    templates: Sequence[NDArray[np.uint8]] = (), pinned: Sequence[NDArray[np.uint8]] = (), golden: bool = False,
) -> Executor:  # fmt: skip
    """The back end that `section` names, for frames that are fitted to the model as `fit` says.

    Args:
        bundle: as `open_executor`.
        section: as `open_executor`.
        shape: of the frames.
        fit: the recipe's.
        least_score: what scores less counts for no class of the recipe.
        templates: the recipe's, of the frame's size; each is fitted once, here.
        pinned: as `open_executor`.
        golden: as `open_executor`.

    Raises:
        ModelError: as `open_executor`; or the fit does not come out with the model.
    """
    plan = fitting(bundle, section, shape, fit)
    if plan is None:
        return open_executor(bundle, section, shape, pinned=pinned, golden=golden)
    cutting = Cutting(plan, templates, has_template=bundle.manifest.has_template)
    inner = open_executor(bundle, section, plan.model, pinned=[*pinned, *cutting.memory], golden=golden)
    return FittedExecutor(inner, plan, bundle.manifest, cutting, least_score=least_score)


def fitting(bundle: Bundle, section: InspectionSection, shape: FrameShape, fit: Fit) -> Plan | None:
    """How frames of `shape` become what the bundle's model takes; None: they are it. Raises ModelError."""
    if fit.kind == "exact":
        return None
    models = bundle.manifest.models
    # All of a bundle's models are of one export; with `auto` it is not known yet which will run.
    precision = section.precision if section.precision in models else next(iter(models))
    return plan_for(fit, shape, bundle.model_path(precision), bundle.manifest)


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
