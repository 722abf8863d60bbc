"""The floor: a vendor's own call in a loop, with tensors that lie ready; nothing is checked and nothing decoded.

Each opens the bundle's file with the same threads, precision and waits as the product's executor does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aoi_daemon.config.recipe import Manifest
from aoi_daemon.errors import ModelError
from aoi_daemon.infer.bundle import Bundle
from aoi_daemon.infer.executor import outputs_of

Image = NDArray[np.uint8]
Pairs = Sequence[tuple[Image, Image]]
Once = Callable[[int], object]


class Bare(NamedTuple):
    """A vendor's call: what it is; one run, given a number, by which the frames come in turn; what to know of it."""

    name: str
    once: Once
    notes: list[str]


@contextmanager
def bare(bundle: Bundle, inspection: dict[str, Any], pairs: Pairs) -> Iterator[Bare]:
    """Open it, and run it on `pairs` in turn.

    Args:
        bundle: whose model runs.
        inspection: as the section [inspection] of line.toml.
        pairs: frames and their templates, (H, W, C) uint8, all of one size; for TensorRT page-locked here.

    Raises:
        ModelError: it cannot be run on this machine.
    """
    if inspection["backend"] == "tensorrt":
        with _tensorrt(bundle, inspection, pairs) as (name, once):
            yield Bare(name, once, [])
        return
    model, threads = bundle.model_path(inspection["precision"]), inspection["threads"]
    feeds = [feed_of(bundle.manifest, *pair) for pair in pairs]
    if inspection["backend"] == "onnx":
        session = onnx_session(model, threads=threads, spinning=False)
        names = [tensor.name for tensor in outputs_of(bundle.manifest)]

        def run(number: int) -> None:
            session.run(names, feeds[number % len(feeds)])

        yield Bare(f"bare session.run, {threads} threads, {model.name}", run, [])
        return
    yield _openvino(bundle, inspection, feeds)


def feed_of(manifest: Manifest, image: Image, template: Image) -> dict[str, Image]:
    """The model's inputs by name, with the axis of the batch in front."""
    feed = {"image": image[None]}
    return feed | {"template": template[None]} if manifest.has_template else feed


def onnx_session(model: Path, *, threads: int, spinning: bool, inter_op_threads: int = 1) -> Any:
    """A session of ONNX Runtime on the CPU, as the executor opens one but for what is given here.

    Raises:
        ModelError: it does not take the file.
    """
    import onnxruntime as ort  # noqa: PLC0415  # a process of another back end has no use for it

    from aoi_daemon.infer.onnx.file import has_half_scales  # noqa: PLC0415

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = inter_op_threads
    parallel = inter_op_threads > 1
    options.execution_mode = ort.ExecutionMode.ORT_PARALLEL if parallel else ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    for pool in ("intra", "inter"):
        options.add_session_config_entry(f"session.{pool}_op.allow_spinning", str(int(spinning)))
    if has_half_scales(model.read_bytes()):
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    try:
        return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no other base
        raise ModelError(f"{model}: ONNX Runtime does not take it: {error}") from error


def _openvino(bundle: Bundle, inspection: dict[str, Any], feeds: Sequence[dict[str, Image]]) -> Bare:
    """Compiled as the executor compiles it, never read back: what is kept of a model is as quick as what is new."""
    from aoi_daemon.infer.openvino.compiled import Device  # noqa: PLC0415  # of this back end's process alone
    from aoi_daemon.infer.openvino.vendor import openvino  # noqa: PLC0415

    threads, model = inspection["threads"], bundle.model_path(inspection["precision"])
    device = Device(str(inspection.get("device") or "cpu"), inspection["precision"], threads)
    height_px, width_px, channels = feeds[0]["image"].shape[1:]
    compiled, _ = device.open(model, bundle.manifest, (height_px, width_px, channels), None)
    request, make = compiled.request, openvino().Tensor
    tensors = [
        [(place, make(px, shared_memory=True)) for place, px in zip(compiled.inputs, feed.values(), strict=True)]
        for feed in feeds
    ]

    def infer(number: int) -> None:
        for place, tensor in tensors[number % len(tensors)]:
            request.set_input_tensor(place, tensor)
        request.infer(None, share_outputs=True)

    return Bare(f"bare request.infer, {threads} threads, {model.name}", infer, device.notes)


@contextmanager
def _tensorrt(bundle: Bundle, inspection: dict[str, Any], pairs: Pairs) -> Iterator[tuple[str, Once]]:
    from tools.gpu.bare import BareLoop  # noqa: PLC0415  # CUDA starts in this process alone

    precision: Any = inspection["precision"]
    height_px, width_px, channels = pairs[0][0].shape
    spin = inspection.get("wait", "block") == "spin"
    with closing(
        BareLoop(
            bundle, precision, (height_px, width_px, channels), spin=spin,
            graph=inspection.get("cuda_graph", True), device=inspection.get("device") or 0,
        )
    ) as loop:  # fmt: skip
        # Page-locked, as the ring's slots are.
        locked = [tuple(_page_locked(loop.device, image) for image in pair) for pair in pairs]

        def once(number: int) -> None:
            image, template = locked[number % len(locked)]
            loop.run(image, template)

        wait = "spin" if spin else "block"
        yield f"bare execute_async_v3, {wait}, CUDA graph {loop.graph}, {loop.device.gpu.name}", once


def _page_locked(device: Any, image: Image) -> Image:
    copy: Image = device.page_locked(image.nbytes).reshape(image.shape)
    copy[:] = image
    return copy
