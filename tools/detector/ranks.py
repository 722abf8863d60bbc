"""Several processes that train one detector, a GPU each, as `torchrun` starts them; or one alone.

Each process draws its own part of every batch, and gradients are averaged over all. What depends on the clock
is decided by the first and told to the others: their clocks do not agree to the step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

from aoi_daemon.kit.boards.labels import BoardsError


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: from 0; the first reads the clock, judges and writes.
        count: of processes.
        device: this process's.
    """

    rank: int
    count: int
    device: Any

    @property
    def is_first(self) -> bool:
        """Whether this process judges and writes."""
        return self.rank == 0

    def agreed(self, value: float) -> float:
        """The first process's value. Blocks until all have asked."""
        if self.count == 1:
            return value
        held = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(held, 0)
        return float(held)

    def share_of(self, batch: int) -> int:
        """Boards that this process draws for a step of `batch`.

        Raises:
            BoardsError: they cannot be dealt evenly.
        """
        if batch % self.count:
            raise BoardsError(f"batch: {batch} boards cannot be dealt to {self.count} processes; name a multiple")
        return batch // self.count

    def joined(self, network: Any) -> Any:
        """`network`, whose gradients are those of all processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network)

    def seeds(self, *numbers: int) -> list[int]:
        """Seeds that differ between processes; those of one process alone are `numbers`."""
        return [*numbers] if self.count == 1 else [*numbers, self.rank]


@contextmanager
def ranks(device: str) -> Iterator[Ranks]:
    """Meet the other processes, where `torchrun` started this one, until the context ends.

    Args:
        device: cuda or cpu; with cuda each process takes the GPU of its local rank.

    Raises:
        BoardsError: more processes than GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks(0, 1, torch.device(device))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device == "cuda" and local >= torch.cuda.device_count():
        raise BoardsError(
            f"device: torchrun started {local + 1} processes or more on this machine, which has "
            f"{torch.cuda.device_count()} GPUs; name at most that many with --nproc-per-node"
        )
    mine = torch.device("cuda", local) if device == "cuda" else torch.device("cpu")
    if device == "cuda":
        torch.cuda.set_device(mine)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), count, mine)
    finally:
        distributed.destroy_process_group()
