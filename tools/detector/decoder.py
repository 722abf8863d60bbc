"""The network with the camera's bytes on one side and a hundred boxes on the other.

This module is what is exported, and what evaluation runs: figures are of the graph that ships. Its
operators are those that TensorRT 8.6 to 11 and TensorRT-RTX build: no NonMaxSuppression, no shapes that
depend on data.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tools.detector.model import STRIDE, ConvBnRelu, Detector, Lateral, Residual, normalise

TOP: Final = 100
# A cell survives beside a better one when their logits differ by less than the inverse of this.
PEAK_SHARPNESS: Final = 1000.0

Tensor = Any


class Decoder(nn.Module):  # type: ignore[misc]  # torch ships no types that mypy is told to read
    """Bytes in, the hundred best boxes out."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what `forward` takes, in its order."""
        return ("image", "template") if self.detector.shape.template else ("image",)

    def forward(self, image: Tensor, template: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Detect on one board: uint8 [1, H, W, 1] each, H and W multiples of 32.

        Returns:
            boxes float32 [1, 100, 4] (x1 y1 x2 y2 px, may reach beyond the image), scores float32
            [1, 100] (0 to 1, falling), classes int32 [1, 100] (0-based).
        """
        logits, log_reach = self.detector(*(_prepare(raw) for raw in (image, template) if raw is not None))
        # Peaks by arithmetic instead of a comparison: 1 where the cell is the best of its neighbours,
        # 0 where it is worse by a thousandth of a logit or more.
        best = functional.max_pool2d(logits, 3, 1, 1)
        peak = functional.relu((logits - best) * PEAK_SHARPNESS + 1.0)
        scores = (torch.sigmoid(logits) * peak).reshape(1, -1)
        top_scores, top = torch.topk(scores, TOP, 1)
        index = top.to(torch.int32)
        columns = torch.tensor(logits.shape[3]).to(torch.int32)
        cells = torch.tensor(logits.shape[2]).to(torch.int32) * columns
        classes = torch.div(index, cells, rounding_mode="trunc")
        cell = index - classes * cells
        row = torch.div(cell, columns, rounding_mode="trunc")
        column = cell - row * columns
        centre = (torch.stack([column, row], 2).to(torch.float32) + 0.5) * STRIDE
        wanted = cell.unsqueeze(1).to(torch.int64)
        reach = torch.gather(log_reach.reshape(1, 4, -1), 2, torch.cat([wanted] * 4, 1))
        reach = torch.exp(reach.transpose(1, 2)) * STRIDE
        boxes = torch.cat([centre - reach[:, :, :2], centre + reach[:, :, 2:]], 2)
        return boxes, top_scores, classes


def fused(detector: Detector) -> Detector:
    """Return a copy for inference, batch normalisation folded into the convolutions."""
    copy = Detector(detector.shape)
    copy.load_state_dict(detector.state_dict())
    copy.float().eval()
    for module in copy.modules():
        if isinstance(module, ConvBnRelu):
            module[0] = fuse_conv_bn_eval(module[0], module[1])
            module[1] = nn.Identity()
        elif isinstance(module, Residual):
            module.conv, module.norm = fuse_conv_bn_eval(module.conv, module.norm), nn.Identity()
        elif isinstance(module, Lateral):
            module.side, module.norm = fuse_conv_bn_eval(module.side, module.norm), nn.Identity()
    return copy


def _prepare(raw: Tensor) -> Tensor:
    """uint8 [1, H, W, 1] to float [1, 1, H, W]. Cast before Transpose: TensorRT refuses the reverse."""
    return normalise(raw.to(torch.float32).permute(0, 3, 1, 2))
