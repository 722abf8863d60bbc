"""After minutes of training a network's batch statistics lag behind its weights: they are taken anew."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_AT_ONCE: Final = 16


def settle(network: Any, frames: NDArray[np.uint8], *, mean: Any = (0, 0, 0), deviation: Any = (1, 1, 1)) -> None:
    """Show `frames` (n, H, W, 3), BGR, to `network`, which learns their statistics and nothing else.

    Without it a detector of a hundred steps finds nothing that it has learnt: its running means are of weights that are
    long gone.
    """
    import torch  # noqa: PLC0415

    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all that it is shown
    network.train()
    device = next(network.parameters()).device
    with torch.no_grad():
        for start in range(0, len(frames), _AT_ONCE):
            network(planes(frames[start : start + _AT_ONCE], mean=mean, deviation=deviation).to(device))
    network.eval()


def planes(frames: NDArray[np.uint8], *, mean: Any = (0, 0, 0), deviation: Any = (1, 1, 1)) -> Any:
    """(n, 3, H, W) float32 RGB of `frames` (n, H, W, 3) BGR: 0 to 1, less the mean, by the deviation."""
    import torch  # noqa: PLC0415

    tensor = torch.from_numpy(np.ascontiguousarray(frames[..., ::-1].transpose(0, 3, 1, 2))).float() / 255
    return (tensor - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(deviation).view(1, 3, 1, 1)
