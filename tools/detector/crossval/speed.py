"""Steps a second of a training, in one process or in several that `torchrun` started."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

import torch

from tools.detector.crossval.pack import unpack
from tools.detector.plan import Plan
from tools.detector.pool import Pool
from tools.detector.ranks import Ranks
from tools.detector.train import Trainer

WARM_UP_STEPS: Final = 20


def speed(data: Path, plan: Plan, ranks: Ranks, seconds: float) -> str:
    """Train for `seconds` on what `pack` wrote; returns the figure in words.

    Raises:
        BoardsError: unreadable data, or a batch that cannot be dealt.
    """
    torch.backends.cudnn.benchmark = True
    pool = Pool(unpack(data).tiles, 0, ranks.device)
    with tempfile.TemporaryDirectory(prefix="crossval-") as folder:
        rate = Trainer(plan, Path(folder), pool, ranks=ranks).measure(WARM_UP_STEPS, seconds)
    name = torch.cuda.get_device_name(ranks.device) if ranks.device.type == "cuda" else "CPU"
    return (
        f"{ranks.count} process{'es' if ranks.count > 1 else ''} ({name}): {rate:.2f} steps/s of {plan.batch} boards, "
        f"{rate * plan.batch:.0f} boards/s"
    )
