"""Open the executor that this machine can run of a bundle.

Process: inspection. Thread: the one that will call `infer`.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import FrameShape
from aoi_daemon.infer.trt.cuda import CudaDevice
from aoi_daemon.infer.trt.executor import TensorRtExecutor, Wait
from aoi_daemon.infer.trt.lane import GraphMode
from aoi_daemon.infer.trt.plan import Machine, Precision, choose_plan
from aoi_daemon.infer.trt.vendor import load_vendor


def open_executor(
    bundle: Bundle,
    precision: Precision,
    shapes: Sequence[FrameShape],
    *,
    device: int = 0,
    wait: Wait = "block",
    cuda_graph: bool = True,
    warm_up_runs: int = 200,
    pinned: Iterable[NDArray[np.uint8]] = (),
) -> TensorRtExecutor:
    """The bundle's engine for this machine, warmed up.

    Raises:
        ModelError: no TensorRT, no GPU, no plan that fits; with what to do.
    """
    vendor = load_vendor()
    gpu = CudaDevice(device, spin=wait == "spin")
    try:
        plan = choose_plan(bundle, precision, list(shapes), Machine(vendor.flavour, vendor.version, gpu.gpu))
        graph: GraphMode = "off" if not cuda_graph else "own" if vendor.is_rtx else "capture"
        return TensorRtExecutor(
            replace(vendor, host_code=plan.manifest.version_compatible), gpu, plan.content, bundle.manifest,
            file=plan.file, shapes=shapes, wait=wait, graph=graph, warm_up_runs=warm_up_runs, pinned=pinned,
        )  # fmt: skip
    except BaseException as error:
        _release(error)
        gpu.close()
        raise


def _release(error: BaseException) -> None:
    """Let go of what the tracebacks hold: TensorRT's objects must be gone before the context is."""
    link: BaseException | None = error
    while link is not None:
        traceback.clear_frames(link.__traceback__)
        link = link.__context__
