"""The detector as PyTorch runs it, eager, with what a first program does: arrays in, arrays out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tools.detector import checkpoint
from tools.detector.decoder import Decoder, fused
from tools.detector.model import Detector


class Eager:
    """The network on the GPU; weights of a checkpoint, or random ones, which take the same time."""

    def __init__(self, precision: str, weights: str | None) -> None:
        """Load it. Raises ImportError where there is no PyTorch, RuntimeError where it sees no GPU."""
        detector = Detector() if weights is None else checkpoint.load(Path(weights))[0]
        self._model = Decoder(fused(detector)).cuda().eval()
        self._half = precision == "fp16"
        self.name = f"PyTorch {torch.__version__} eager, {'autocast to fp16' if self._half else precision}"

    def run(self, image: NDArray[np.uint8], template: NDArray[np.uint8] | None) -> tuple[Any, ...]:
        """One part: boxes, scores, classes."""
        tensors = [torch.from_numpy(array[None]).cuda(non_blocking=True) for array in (image, template)]  # type: ignore[index]
        with torch.inference_mode(), torch.autocast("cuda", torch.float16, enabled=self._half):
            outputs = self._model(*tensors)
        return tuple(output.cpu().numpy() for output in outputs)
