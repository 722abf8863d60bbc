"""The detector: a small fully convolutional network on (image, template), or on the image alone.

Early fusion: the image and both signs of its difference to the template, where there is one, enter one
residual backbone (strides 2 to 32); two upward steps bring context back to stride 8, where each cell says
what is wrong there and how far the label box reaches to its four sides. Channels are multiples of 16, by which ONNX
Runtime's CPU kernels block: widths of 40 and 72 took 20 ms where 32 and 80 took 14. ReLU throughout, so
that INT8 loses little.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional

from aoi_daemon.kit.boards.labels import CLASS_NAMES

STRIDE: Final = 8
# Heights and widths must be multiples of this, the stride of the deepest stage.
SIZE_MULTIPLE: Final = 32
# Stage widths at strides 2, 4, 8, 16, 32 and residual blocks in the last four.
WIDTHS: Final = (16, 32, 64, 128, 160)
DEPTHS: Final = (1, 3, 3, 2)
NECK: Final = 64
# Where a box ends needs fewer features than what it holds.
REACH_WIDTH: Final = 32
# A score before training: one cell in a hundred holds a defect (the focal loss paper's prior).
PRIOR: Final = 0.01
# Half of a typical label box, 36 px: where the box regression starts.
TYPICAL_REACH_PX: Final = 18.0
# exp(5) cells of 8 px are 1,187 px: beyond any board, and finite in half precision.
MAX_LOG_REACH: Final = 5.0

Tensor = Any


@dataclass(frozen=True)
class Shape:
    """What a checkpoint must say for its weights to fit: widths and depths of the stages, and what it is for.

    Attributes:
        classes: names of what it tells apart.
        template: whether it compares with a template.
    """

    widths: tuple[int, ...] = WIDTHS
    depths: tuple[int, ...] = DEPTHS
    neck: int = NECK
    classes: tuple[str, ...] = CLASS_NAMES
    template: bool = True


class ConvBnRelu(nn.Sequential):  # type: ignore[misc]  # torch ships no types that mypy is told to read
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):  # type: ignore[misc]
    """1x1 to half the channels, 3x3 back, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = ConvBnRelu(channels, channels // 2, 1)
        self.conv = nn.Conv2d(channels // 2, channels, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, momentum=0.03)

    def forward(self, x: Tensor) -> Tensor:
        """Keep shape [B, C, h, w]."""
        return functional.relu(x + self.norm(self.conv(self.squeeze(x))))


class Lateral(nn.Module):  # type: ignore[misc]
    """Add the coarser level, brought to this level's width and doubled in size."""

    def __init__(self, coarse: int, fine: int, out: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(coarse, out, 1)
        self.side = nn.Conv2d(fine, out, 1, bias=False)
        self.norm = nn.BatchNorm2d(out, momentum=0.03)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """[B, coarse, h, w] and [B, fine, 2h, 2w] give [B, out, 2h, 2w]."""
        upper = functional.interpolate(self.down(coarse), scale_factor=2.0, mode="nearest")
        return functional.relu(self.norm(self.side(fine)) + upper)


class Detector(nn.Module):  # type: ignore[misc]
    """The network proper, on normalised input; `export.Decoder` puts the camera's bytes around it."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        self.shape = shape
        two, four, eight, sixteen, deepest = shape.widths
        self.stem = ConvBnRelu(3 if shape.template else 1, two, 3, 2)
        self.stage4 = self._stage(two, four, shape.depths[0])
        self.stage8 = self._stage(four, eight, shape.depths[1])
        self.stage16 = self._stage(eight, sixteen, shape.depths[2])
        self.stage32 = self._stage(sixteen, deepest, shape.depths[3])
        self.up16 = Lateral(deepest, sixteen, sixteen)
        self.up8 = Lateral(sixteen, eight, shape.neck)
        self.mix = ConvBnRelu(shape.neck, shape.neck, 3)
        self.class_tower = ConvBnRelu(shape.neck, shape.neck, 3)
        self.reach_tower = ConvBnRelu(shape.neck, REACH_WIDTH, 3)
        self.class_out = nn.Conv2d(shape.neck, len(shape.classes), 1)
        self.reach_out = nn.Conv2d(REACH_WIDTH, 4, 1)
        nn.init.constant_(self.class_out.bias, -math.log((1 - PRIOR) / PRIOR))
        nn.init.constant_(self.reach_out.bias, math.log(TYPICAL_REACH_PX / STRIDE))

    @staticmethod
    def _stage(channels_in: int, channels_out: int, depth: int) -> nn.Sequential:
        blocks = [Residual(channels_out) for _ in range(depth)]
        return nn.Sequential(ConvBnRelu(channels_in, channels_out, 3, 2), *blocks)

    def forward(self, image: Tensor, template: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Detect on a batch: [B, 1, H, W] each, -1 to 1, H and W multiples of `SIZE_MULTIPLE`.

        Returns:
            Class logits [B, classes, H/8, W/8], and log reach to left, top, right, bottom in cells
            [B, 4, H/8, W/8].
        """
        x = image if template is None else self._compared(image, template)
        x = self.stage4(self.stem(x))
        fine = self.stage8(x)
        middle = self.stage16(fine)
        deep = self.stage32(middle)
        x = self.mix(self.up8(self.up16(deep, middle), fine))
        reach = self.reach_out(self.reach_tower(x))
        return self.class_out(self.class_tower(x)), reach.clamp(max=MAX_LOG_REACH)

    @staticmethod
    def _compared(image: Tensor, template: Tensor) -> Tensor:
        # What is brighter than the template (copper missing) and what is darker (copper too much). No
        # information is lost: the template is image - brighter + darker.
        brighter, darker = functional.relu(image - template), functional.relu(template - image)
        return torch.cat([image, brighter, darker], 1)


def normalise(raw: Tensor) -> Tensor:
    """Turn gray levels 0 to 255 into -1 to 1."""
    # Add, not Sub: the exported graph is Cast, Transpose, Mul, Add, which every TensorRT builds.
    return raw * (2.0 / 255.0) + (-1.0)


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers in the model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
