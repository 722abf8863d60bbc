"""Begin with a trained detector: a checkpoint, or an exported model as bundles hold it.

An exported model has its batch normalisation folded into the convolutions. It is unfolded on boards of the
training: each normalisation gets the mean and spread that it meets there, and the scale and offset that undo
them, so that the network computes what the file does and learns on from there.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import onnx
import torch
from torch import nn

from aoi_daemon.kit.boards.labels import BoardsError
from tools.detector import checkpoint
from tools.detector.decoder import fused
from tools.detector.model import ConvBnRelu, Detector, Lateral, Residual

ONNX_SUFFIX: Final = ".onnx"
# What the decoder's parameters are called in an exported file.
PREFIX: Final = "detector."

Tensor = Any


def read(path: Path) -> Detector:
    """Read weights to begin with, on the CPU; those of an ONNX file are folded (`is_folded`).

    Raises:
        BoardsError: unreadable, or not of this detector.
    """
    if path.suffix.lower() != ONNX_SUFFIX:
        return checkpoint.load(path)[0]
    return _exported(path)


def is_folded(detector: Detector) -> bool:
    """Whether the normalisation is inside the convolutions."""
    return isinstance(next(iter(_pairs(detector)))[1], nn.Identity)


def unfold(folded: Detector, image: Tensor, template: Tensor) -> Detector:
    """Give a folded detector its normalisation back.

    Args:
        folded: on the CPU or a device.
        image: boards of the training, [B, 1, H, W], -1 to 1; eight or more give steady statistics.
        template: theirs, of the same shape.

    Returns:
        A detector on the boards' device, in training's form, that computes what `folded` does.
    """
    detector: Detector = Detector(folded.shape).to(image.device).eval()
    weights = {name: value for name, value in folded.state_dict().items() if name in detector.state_dict()}
    detector.load_state_dict(weights, strict=False)
    with torch.no_grad(), ExitStack() as watched:
        for (_, norm), (source, _) in zip(_pairs(detector), _pairs(folded), strict=True):
            hook = norm.register_forward_pre_hook(_settle(source.bias.to(image.device)))
            watched.callback(hook.remove)
        detector(image, template)
    return detector


def _settle(offset: Tensor) -> Any:
    """A hook that sets a normalisation to add `offset` [C] to what it is given, and nothing else."""

    def settle(norm: nn.BatchNorm2d, given: tuple[Tensor]) -> None:
        spread, mean = torch.var_mean(given[0], (0, 2, 3), unbiased=False)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(spread)
        norm.weight.copy_((spread + norm.eps).sqrt())
        norm.bias.copy_(offset + mean)

    return settle


def _pairs(detector: Detector) -> list[tuple[Any, Any]]:
    """Each convolution that has a normalisation, and that one, in a fixed order."""
    found = []
    for module in detector.modules():
        if isinstance(module, ConvBnRelu):
            found.append((module[0], module[1]))
        elif isinstance(module, Residual):
            found.append((module.conv, module.norm))
        elif isinstance(module, Lateral):
            found.append((module.side, module.norm))
    return found


def _exported(path: Path) -> Detector:
    try:
        graph = onnx.load(str(path)).graph
    except OSError as e:
        raise BoardsError(f"{path}: cannot be read: {e.strerror}") from e
    except Exception as e:
        # protobuf's own types differ between its releases.
        raise BoardsError(f"{path}: is not an ONNX file: {e}") from e
    found = {
        value.name.removeprefix(PREFIX): torch.from_numpy(onnx.numpy_helper.to_array(value).copy())
        for value in graph.initializer
        if value.name.startswith(PREFIX)
    }
    folded = fused(Detector())
    wanted = {name: value.shape for name, value in folded.state_dict().items()}
    if {name: value.shape for name, value in found.items()} != wanted:
        raise BoardsError(
            f"{path}: does not hold this detector's {len(wanted)} weights in float32, named as train_detector exports "
            "them; take a model.onnx of train_detector, or fp32.onnx of a bundle made from one"
        )
    if any(value.dtype != torch.float32 for value in found.values()):
        raise BoardsError(f"{path}: its weights are not float32; take the bundle's fp32.onnx")
    folded.load_state_dict(found)
    return folded
