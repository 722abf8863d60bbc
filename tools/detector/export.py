"""Write the ONNX file and prove that it computes what PyTorch does."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector.decoder import TOP, Decoder

OPSET: Final = 17
# Sizes at which every export is compared with PyTorch, height and width in px.
PROOF_SIZES: Final = ((640, 640), (512, 768), (1024, 640))
# Agreement: float32 sums in another order; a tenth of a pixel is nothing to a box of 23 px.
MAX_SCORE_DIFFERENCE: Final = 1e-3
MAX_BOX_DIFFERENCE_PX: Final = 0.1
# How many of the best boxes are looked for among the other side's hundred.
PROOF_BOXES: Final = 20

Outputs = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]


def export_onnx(decoder: Decoder, path: Path) -> dict[str, Any]:
    """Export, simplify and compare.

    Args:
        decoder: on the CPU, in float32, with folded normalisation.
        path: of the ONNX file; written in one piece.

    Returns:
        What was measured: operators, largest differences to PyTorch by size.

    Raises:
        BoardsError: the exported graph differs from PyTorch by more than the limits above.
    """
    decoder = decoder.cpu().eval()
    partial = path.with_name(f".{path.name}.partial")
    try:
        _trace(decoder, partial)
        model = onnx.load(str(partial))
        _use_int32(model)
        names = decoder.detector.shape.classes
        # As Ultralytics writes them, which is what tools read.
        onnx.helper.set_model_props(model, {"names": str(dict(enumerate(names)))})
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(partial))
        report = {
            "opset": OPSET,
            "operators": sorted({node.op_type for node in model.graph.node}),
            "differences": {f"{w}x{h}": compare(decoder, partial, h, w) for h, w in PROOF_SIZES},
        }
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return report


def compare(decoder: Decoder, path: Path, height_px: int, width_px: int) -> dict[str, float]:
    """Run both on the same random scene; return the largest differences.

    Raises:
        BoardsError: they exceed the limits.
    """
    given = dict(zip(decoder.inputs, _scene(height_px, width_px), strict=False))
    with torch.inference_mode():
        mine: Outputs = tuple(t.numpy() for t in decoder(*(torch.from_numpy(raw) for raw in given.values())))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs: Outputs = tuple(session.run(None, given))
    for name, output, shape, kind in zip(
        ("boxes", "scores", "classes"),
        theirs,
        ((1, TOP, 4), (1, TOP), (1, TOP)),
        (np.float32, np.float32, np.int32),
        strict=True,
    ):
        if output.shape != shape or output.dtype != kind:
            raise BoardsError(f"{path}: output {name} is {output.dtype} {output.shape}, not {kind} {shape}")
    score = float(np.abs(mine[1] - theirs[1]).max())
    box = _box_difference(mine, theirs)
    if score > MAX_SCORE_DIFFERENCE or box > MAX_BOX_DIFFERENCE_PX:
        raise BoardsError(
            f"{path}: at {width_px}x{height_px} px ONNX Runtime and PyTorch differ by {score:.2g} in score "
            f"and {box:.2g} px in a box; allowed are {MAX_SCORE_DIFFERENCE} and {MAX_BOX_DIFFERENCE_PX}"
        )
    return {"score": score, "box_px": box}


def _box_difference(mine: Outputs, theirs: Outputs) -> float:
    """Largest distance of a box to the same class's nearest on the other side, in px.

    By nearest box and not by rank: detections whose scores differ in the last bit change places.
    """
    worst = 0.0
    for box, kind in zip(mine[0][0][:PROOF_BOXES], mine[2][0][:PROOF_BOXES], strict=True):
        same = theirs[0][0][theirs[2][0] == kind]
        worst = max(worst, float(np.abs(same - box).max(1).min()) if len(same) else np.inf)
    return worst


def _trace(decoder: Decoder, path: Path) -> None:
    image = torch.zeros((1, 640, 640, 1), dtype=torch.uint8)
    with warnings.catch_warnings():
        # The TorchScript exporter is deprecated in favour of one that writes opset 18 and up; opset 17
        # is the last that TensorRT 8.6 reads.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            decoder,
            (image,) * len(decoder.inputs),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=list(decoder.inputs),
            output_names=["boxes", "scores", "classes"],
            dynamic_axes={name: {1: "height", 2: "width"} for name in decoder.inputs},
        )


def _use_int32(model: onnx.ModelProto) -> None:
    """Take int64 out of the index arithmetic, in place, and fix the outputs' shapes.

    PyTorch insists on int64 indices for `gather` and casts each integer division there and back;
    ONNX takes int32 for GatherElements, and TensorRT 8.6 has no int64.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        if node.op_type == "GatherElements":
            _narrow(makers, node, 1)
        elif node.op_type == "Cast" and _cast_to(node) == TensorProto.INT32:
            _narrow(makers, node, 0)
    used = {name for node in graph.node for name in node.input} | {output.name for output in graph.output}
    for node in [node for node in graph.node if not used.intersection(node.output)]:
        graph.node.remove(node)
    # Value types recorded by the exporter still say int64.
    del graph.value_info[:]
    for output in graph.output:
        for size, dim in zip((1, TOP, 4), output.type.tensor_type.shape.dim, strict=False):
            dim.dim_value = size


def _narrow(makers: dict[str, onnx.NodeProto], node: onnx.NodeProto, place: int) -> None:
    """Bypass a cast to int64 in front of one of the node's inputs, through shape operators."""
    maker = makers.get(node.input[place])
    if maker is None:
        return
    if maker.op_type == "Cast" and _cast_to(maker) == TensorProto.INT64:
        node.input[place] = maker.input[0]
    elif maker.op_type in ("Concat", "Unsqueeze"):
        for i in range(len(maker.input) if maker.op_type == "Concat" else 1):
            _narrow(makers, maker, i)


def _cast_to(node: onnx.NodeProto) -> int:
    return int(next(a.i for a in node.attribute if a.name == "to"))


def _scene(height_px: int, width_px: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Bars with random blots: something for every class to score on. uint8 [1, H, W, 1] each."""
    rng = np.random.default_rng(height_px * 10_007 + width_px)
    template = np.full((height_px, width_px), 255, np.uint8)
    template[:, (np.arange(width_px) // 24) % 2 == 0] = 0
    image = template.copy()
    for _ in range(40):
        y, x = int(rng.integers(0, height_px - 20)), int(rng.integers(0, width_px - 20))
        size = int(rng.integers(5, 20))
        image[y : y + size, x : x + size] = 255 * int(rng.integers(2))
    return image[None, :, :, None], template[None, :, :, None]
